"""Counts what a step has a GPU do: kernels, the bytes that they read and write, products, and copies.

An operator is one kernel, but for those of KERNELS. What libraries launch beside is not counted: before some products
cuBLAS sets a few bytes to zero.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from loadtest.fake_cuda.refusals import require_contiguous, require_one_device, require_product, require_varlen

Kind = Literal["product", "attention", "element-wise"]
OWN = "rayrank"
# Where an operator's left matrix is among its arguments.
PRODUCTS = {"mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1, "_addmm_activation": 1, "_scaled_mm": 0}
# Taken whole: which kernel computes it is CUDA's choice. Some that torch would take apart first.
WHOLE = {"scaled_dot_product_attention"}
ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
OVERWRITE = {"copy_", "fill_", "zero_"}
# Of a table no more is read than the rows that are looked up: where tables are among the arguments.
TABLES = {"embedding": (0,), "index_select": (0,), "gather": (0,), "rayrank::embed": (0, 2, 4)}
# Kernels of our own that find a row by its number and the width alone.
BY_ROWS = {f"{OWN}::{name}" for name in ("activate", "activate_levels", "add_norm", "embed", "rms_norm")}
# Operators of several kernels: varlen fills its random state in every call.
KERNELS = {"_varlen_attn": 2}


@dataclass(frozen=True, slots=True)
class Launch:
    """One operator on the GPU.

    operator: its name; `rayrank::` before it where the kernel is our own. shapes: of the tensors among its arguments.
    read, written: bytes. flops: of a product, 0 for others; what attention computes depends on lengths, which are not
    in the shapes.
    """

    operator: str
    kind: Kind
    shapes: tuple[tuple[int, ...], ...]
    kernels: int
    read: int
    written: int
    flops: int

    @property
    def bytes(self) -> int:
        """What goes through memory."""
        return self.read + self.written

    @property
    def own(self) -> bool:
        """Whether the kernel is our own, and not torch's."""
        return self.operator.startswith(f"{OWN}::")


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy between host and device. waits: whether the host's thread waits until it is done."""

    to: Literal["cuda", "cpu"]
    bytes: int
    waits: bool


class Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What is launched while it is entered.

    Raises RefusedError where a kernel would refuse, and what torch's fake tensors raise where a number is asked for.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launched: list[Launch] = []
        self.copies: list[Copy] = []

    @property
    def kernels(self) -> int:
        """How many kernels."""
        return sum(launch.kernels for launch in self.launched)

    @property
    def by_operator(self) -> Counter[str]:
        """Kernels of each operator, for people."""
        counts: Counter[str] = Counter()
        for launch in self.launched:
            counts[launch.operator] += launch.kernels
        return counts

    def copies_to(self, device: Literal["cuda", "cpu"]) -> list[Copy]:
        """The copies to the device or to the host."""
        return [copy for copy in self.copies if copy.to == device]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """See TorchDispatchMode."""
        kwargs = kwargs or {}
        if func.namespace == "prim":  # a question to a tensor
            return func(*args, **kwargs)
        name = _name(func._schema)
        if name not in WHOLE:
            with self:
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        if name == "_varlen_attn":
            require_varlen(args)
        if name in BY_ROWS:
            require_contiguous(name, _tensors((args, kwargs)))
        out = func(*args, **kwargs)
        given, results = _tensors((args, kwargs)), _tensors(out)
        devices = {x.device.type for x in (*given, *results)}
        if "cuda" not in devices or name in ALLOCATIONS:
            return out
        if name in {"copy_", "_to_copy"} and len(devices) == 2:
            self.copies.append(_copy(name, args, kwargs, results[0]))
        elif func._schema.is_mutable or not all(_is_view(x, given) for x in results):
            require_one_device(name, [*given, *results])
            self.launched.append(_launch(func._schema, args, kwargs, results))
        return out


def _copy(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], into: torch.Tensor) -> Copy:
    source = args[1] if name == "copy_" else args[0]
    at_once = kwargs.get("non_blocking", len(args) > 2 and args[2])
    to_device = into.device.type == "cuda"
    host = source if to_device else into
    return Copy("cuda" if to_device else "cpu", into.nbytes, waits=not (at_once and pinned(host)))


def _launch(schema: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: list[torch.Tensor]) -> Launch:
    name = _name(schema)
    given = _tensors((args, kwargs))
    kind: Kind = "attention" if "attention" in name or "attn" in name else "element-wise"
    flops = 0
    if name in PRODUCTS:
        kind = "product"
        if name != "_scaled_mm":  # its scales have a type of their own
            require_product(name, given)
        flops = 2 * results[0].numel() * args[PRODUCTS[name]].shape[-1]
    values = dict(zip((each.name for each in schema.arguments), args, strict=False)) | kwargs
    changed = _tensors([values.get(each.name) for each in schema.arguments if each.is_write])
    overwritten = _tensors(values.get("out")) + (changed if name in OVERWRITE else [])
    tables = _tensors([args[place] for place in TABLES.get(name, ())])
    row_bytes = sum(min(_touched(table), results[0].numel() * table.itemsize) for table in tables)
    return Launch(
        operator=name,
        kind=kind,
        shapes=tuple(tuple(x.shape) for x in given),
        kernels=KERNELS.get(name, 1),
        read=row_bytes + sum(_touched(x) for x in _without(given, [*overwritten, *tables])),
        written=sum(_touched(x) for x in [*results, *_without(changed, results)]),
        flops=flops,
    )


def pin(x: torch.Tensor) -> torch.Tensor:
    """A host tensor, from now on taken for one in pinned memory."""
    x.untyped_storage().pinned = True  # type: ignore[attr-defined]
    return x


def pinned(x: torch.Tensor) -> bool:
    """Whether a host tensor is in pinned memory."""
    return getattr(x.untyped_storage(), "pinned", False)


def _name(schema: Any) -> str:
    namespace, _, name = schema.name.partition("::")
    return str(schema.name) if namespace == OWN else str(name)


def _tensors(tree: object) -> list[torch.Tensor]:
    return [x for x in tree_leaves(tree) if isinstance(x, torch.Tensor)]


def _without(tensors: Iterable[torch.Tensor], left_out: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [x for x in tensors if not any(x is other for other in left_out)]


def _touched(x: torch.Tensor) -> int:
    """Bytes of memory behind a tensor: what is repeated along a dimension counts once."""
    count = x.itemsize
    for size, stride in zip(x.shape, x.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return count


def _is_view(x: torch.Tensor, inputs: Iterable[torch.Tensor]) -> bool:
    return any(x.untyped_storage()._cdata == other.untyped_storage()._cdata for other in inputs)
