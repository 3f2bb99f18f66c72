import sys

from loadtest.bench.gpu.run import main

sys.exit(main())
