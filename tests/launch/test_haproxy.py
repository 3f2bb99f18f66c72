import subprocess
from pathlib import Path

from serve_app.launch.haproxy import haproxy_wrapper


def test_haproxys_own_ports_are_moved_to_loopback_and_it_tells_the_clients_address(tmp_path: Path) -> None:
    config, wrapper = tmp_path / "haproxy.cfg", tmp_path / "haproxy"
    config.write_text(
        "defaults\n    mode http\n"
        "frontend api\n    bind *:8000\nfrontend metrics\n    bind :9101\nlisten stats\n  bind *:8404\n"
    )
    wrapper.write_text(haproxy_wrapper("/bin/echo", stats=8404, metrics=9101))
    done = subprocess.run(["sh", wrapper, "-f", config], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["-f", str(config)]
    binds = [line.strip() for line in config.read_text().splitlines() if "bind" in line]
    assert binds == ["bind *:8000", "bind 127.0.0.1:9101", "bind 127.0.0.1:8404"]
    assert config.read_text().splitlines()[:3] == ["defaults", "    option forwardfor", "    mode http"]
