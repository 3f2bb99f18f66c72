"""The results as a picture."""

from pathlib import Path

from loadtest.bench.engine.results import Result

OURS, EXACT_PEER, OTHER = "#c0392b", "#5d6d7e", "#b3bcc5"


def write_plot(found: list[Result], exact_peers: set[str], caption: str, path: Path) -> None:
    """A panel a set: each contender's speed in times the best exact peer's.

    exact_peers: names of contenders. caption: says where it was measured.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "rayrank"  # the same figures give the same file
    sets = list(dict.fromkeys(result.set for result in found))
    panels = [[result for result in found if result.set == name] for name in sets]
    rows = -(-len(sets) // 2)
    figure = Figure(figsize=(11, 3.2 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).ravel()
    for axis, results in zip(axes, panels, strict=False):
        names = [result.contender for result in results]
        ratios = [result.to_best_exact_peer or 0.0 for result in results]
        colours = [
            OURS if name.startswith("rayrank") else EXACT_PEER if name in exact_peers else OTHER for name in names
        ]
        bars = axis.barh(names, ratios, color=colours)
        axis.bar_label(bars, [f"×{ratio:.2f}" for ratio in ratios], padding=3, fontsize=8)
        axis.axvline(1, color="black", linewidth=0.8, linestyle=":")
        axis.invert_yaxis()
        axis.margins(x=0.12)
        axis.set_title(results[0].set, loc="left", fontsize=10, fontweight="bold")
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.suptitle("Documents a second, in times the best exact peer", fontsize=11, x=0.01, ha="left")
    figure.supxlabel(caption, fontsize=8)
    figure.savefig(path, metadata={"Date": None})
