"""What is counted of a few operators, beside the same by hand."""

import torch
from torch.nn import functional

from loadtest.fake_cuda.device import FakeCuda
from loadtest.fake_cuda.launches import Copy, Launches

ROWS, WIDTH = 1_024, 64
STATES = ROWS * WIDTH * 2  # bytes


def test_kernels_bytes_and_products_are_those_of_the_tensors() -> None:
    with FakeCuda().running(), torch.inference_mode():
        x = torch.empty(ROWS, WIDTH, dtype=torch.float16, device="cuda:0")
        weight, bias = x[:WIDTH], x[0]
        with Launches() as seen:
            y = functional.linear(x, weight, bias)
            y.add_(x)
            functional.layer_norm(y.view(ROWS, WIDTH), (WIDTH,), bias, bias)
    linear, add, norm = seen.launched
    assert [linear.kind, add.kind, norm.kind] == ["product", "element-wise", "element-wise"]
    assert linear.flops == 2 * ROWS * WIDTH * WIDTH
    assert (add.read, add.written) == (2 * STATES, STATES)
    assert norm.read == STATES + 2 * WIDTH * 2
    assert seen.kernels == 3


def test_of_a_table_the_rows_are_read_and_not_the_table() -> None:
    with FakeCuda().running(), torch.inference_mode():
        table = torch.empty(250_000, WIDTH, device="cuda:0")
        ids = torch.empty(ROWS, dtype=torch.int32, device="cuda:0")
        with Launches() as seen:
            functional.embedding(ids, table)
    [lookup] = seen.launched
    assert (lookup.read, lookup.written) == (ROWS * 4 + ROWS * WIDTH * 4, ROWS * WIDTH * 4)


def test_what_is_written_over_is_not_read_and_what_is_repeated_is_read_once() -> None:
    with FakeCuda().running(), torch.inference_mode():
        x = torch.empty(ROWS, WIDTH, device="cuda:0")
        with Launches() as seen:
            x.copy_(x[0].expand(ROWS, WIDTH))
    [copy] = seen.launched
    assert (copy.read, copy.written) == (WIDTH * 4, ROWS * WIDTH * 4)


def test_only_a_copy_from_pinned_memory_that_is_not_waited_for_waits_for_nothing() -> None:
    with FakeCuda().running(), torch.inference_mode():
        host = torch.empty(ROWS, WIDTH)
        with Launches() as seen:
            device = host.pin_memory().to("cuda:0", non_blocking=True)
            torch.empty(ROWS, WIDTH).to("cuda:0", non_blocking=True)
            device.cpu()
    there, pageable, back = seen.copies
    assert there == Copy("cuda", 2 * STATES, waits=False)
    assert pageable.waits
    assert back == Copy("cpu", 2 * STATES, waits=True)
