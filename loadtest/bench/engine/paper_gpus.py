"""What GPUs reach, for estimates on paper: an H200's rates as measured, those of the others as assumed."""

from dataclasses import dataclass

from loadtest.bench.engine.counted_step import CountedStep


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU's rates.

    product_flops_per_s: of 16-bit products, by the width of the model whose layers they are. bytes_per_s: that torch's
    kernels between products get through memory, on the average of a layer; own_bytes_per_s: that those of our own do.
    attention_flops_per_s: of attention to sequences of some hundred tokens; far below that of products, because a
    sequence fills few blocks. gap_s: from one kernel's end to the next one's beginning. launch_s: of the host for one
    kernel; a step that is launched cannot be shorter than that. measured: whether all of it was, and not assumed.
    """

    name: str
    product_flops_per_s: dict[int, float]
    bytes_per_s: float
    own_bytes_per_s: float
    attention_flops_per_s: float
    gap_s: float
    launch_s: float
    measured: bool = False

    def product_rate(self, width: int) -> float:
        """FLOP/s of a model's products: of the widest model here that is no wider, or of the narrowest."""
        rates = self.product_flops_per_s
        return rates[max((each for each in rates if each <= width), default=min(rates))]


# H200: `make bench-gpu` and its profile of one step, torch 2.11, 16 host cores. By these rates bge-reranker-base,
# bge-reranker-v2-m3 and gte-reranker-modernbert-base would score 17,600, 5,500 and 6,200 documents/s of 128 tokens, in
# plain form and launched; 17,700, 5,600 and 6,900 were measured. MiniLM-L-12 waits for launches: 25,200; 21,100.
# H100: the same chip, with 3.35 TB/s in place of 4.8. L4 and A10: about half of the products that NVIDIA's datasheets
# name (121 and 125 TFLOP/s; an L4 has 72 W for them), 80 % of the bytes (0.30 and 0.60 TB/s), the H200's host.
GPUS = (
    Gpu("H200", {384: 500e12, 768: 650e12, 1_024: 650e12}, 2.7e12, 3.3e12, 90e12, 3e-6, 35e-6, measured=True),
    Gpu("H100", {384: 500e12, 768: 650e12, 1_024: 650e12}, 2.2e12, 2.7e12, 90e12, 3e-6, 35e-6),
    Gpu("L4", {384: 55e12, 768: 60e12, 1_024: 60e12}, 0.24e12, 0.25e12, 20e12, 3e-6, 35e-6),
    Gpu("A10", {384: 60e12, 768: 70e12, 1_024: 75e12}, 0.45e12, 0.48e12, 25e12, 3e-6, 35e-6),
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One step on one GPU.

    launching_s: of the host for the next step, meanwhile; recorded: whether it need not, because a CUDA graph does it.
    """

    gpu: str
    products_s: float
    element_wise_s: float
    attention_s: float
    gaps_s: float
    launching_s: float
    recorded: bool

    @property
    def step_s(self) -> float:
        """Whichever takes longer: computing, or launching."""
        computing_s = self.products_s + self.element_wise_s + self.attention_s + self.gaps_s
        return computing_s if self.recorded else max(computing_s, self.launching_s)


def estimate(step: CountedStep, gpu: Gpu) -> Estimate:
    """What the step would take, its kernels one after the other."""
    torchs_bytes = step.element_wise_bytes - step.own_bytes
    return Estimate(
        gpu=gpu.name,
        products_s=step.product_flops / gpu.product_rate(step.width),
        element_wise_s=torchs_bytes / gpu.bytes_per_s + step.own_bytes / gpu.own_bytes_per_s,
        attention_s=max(step.attention_flops / gpu.attention_flops_per_s, step.attention_bytes / gpu.bytes_per_s),
        gaps_s=step.kernels * gpu.gap_s,
        launching_s=step.kernels * gpu.launch_s,
        recorded=step.recorded,
    )
