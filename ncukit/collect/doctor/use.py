"""Checks of what else goes on at the GPU: monitors, profilers, programs, heat."""

from __future__ import annotations

from ncukit.collect.doctor.check import Answer, Machine, ask, check, ok, skip, warn

MONITORS = ("nv-hostengine", "dcgm-exporter")
PROFILERS = ("ncu", "nsys")
BUSY_PCT = 10
"""Below that a desktop or a monitor explains it (ours)."""
THROTTLES = (
    # nvml.h: bit of nvmlClocksEventReason, what it means, what ends it. HW slowdown alone (0x8) is also reported
    # while the clocks change, and idle (0x1) is no trouble.
    (0x40, "too hot (HW thermal slowdown)", "heat"),
    (0x20, "too hot (SW thermal slowdown)", "heat"),
    (0x80, "the power supply brakes it (HW power brake)", "heat"),
    (0x04, "at its power limit (SW power cap)", "power"),
    (0x02, "held by application clocks", "clocks"),
    (0x10, "held by the slowest of a sync boost group", "boost"),
)
_CURES = {
    "heat": "nvidia-smi -q -d TEMPERATURE,POWER,PERFORMANCE   (measure when no slowdown is Active)",
    "power": "nvidia-smi -q -d POWER   (wait for other work to end, or raise the limit: sudo nvidia-smi -pl WATTS)",
    "clocks": "sudo nvidia-smi -rac",
    "boost": "take the GPU out of its sync boost group (nvidia-smi or DCGM put it there)",
}


@check("dcgm", "DCGM")
def dcgm(here: Machine) -> Answer:
    """Whether a monitor that takes the counters for itself is running."""
    for process, name in here.processes.items():
        if name in MONITORS:
            return warn(
                f"{name} runs (process {process}); when it samples counters, ncu cannot",
                "dcgmi profile --pause   (afterwards: dcgmi profile --resume)",
            )
    if not here.processes:
        return skip(f"no processes to see in {here.proc}")
    return ok(f"not among {len(here.processes)} processes (a container does not see its host's)")


@check("other-profilers", "other profilers")
def profilers(here: Machine) -> Answer:
    """Whether another profiler runs: it can hold the counters, and a second ncu waits for the first one's lock."""
    found = [(process, name) for process, name in here.processes.items() if name in PROFILERS]
    if found:
        return warn(
            f"running: {', '.join(f'{name} (process {process})' for process, name in found)}; it can hold the counters",
            f"wait until it ends, or end it if it is yours: kill {' '.join(process for process, _ in found)}",
        )
    if not here.processes:
        return skip(f"no processes to see in {here.proc}")
    return ok(f"none among {len(here.processes)} processes")


@check("gpu-in-use", "GPU in use")
def in_use(here: Machine) -> Answer:
    """Whether other programs share the GPU: they take its memory, and their traffic counts as the kernel's."""
    gpu, state = here.gpu, here.condition
    if gpu is None:
        return skip("no GPU")
    said = ask("nvidia-smi", "--query-compute-apps=gpu_uuid,pid,process_name,used_memory", "--format=csv,noheader")
    rows = [line.split(", ") for line in said.text.splitlines()] if said and said.exit_code == 0 else []
    rows = [row for row in rows if len(row) == 4 and row[1].isdigit()]
    if state is None and not rows:
        return skip("nvidia-smi does not tell")
    mine = [row for row in rows if row[0] == gpu.uuid]
    found = [f"{name[-60:]} (process {pid}, {memory})" for _, pid, name, memory in mine[:4]]
    if len(mine) > 4:
        found.append(f"{len(mine) - 4} more programs")
    memory, smaller = "", ""
    if state is not None and state.used_mb is not None and state.total_mb:
        memory = f"{state.used_mb / 1024:.1f} of {state.total_mb / 1024:.0f} GiB in use"
        if state.used_mb * 100 > BUSY_PCT * state.total_mb:
            found.append(memory)
            smaller = "; if too little is left: add --size batch_size=8"
    if state is not None and state.busy_pct is not None and state.busy_pct >= BUSY_PCT:
        found.append(f"{state.busy_pct} % busy")
    if not found:
        return ok(f"no other program; {memory}" if memory else "no other program")
    taken = {row[0] for row in rows} | {gpu.uuid}
    free = next((other.index for other in here.gpus if other.uuid not in taken), None)
    if free is not None:
        fix = f"export CUDA_VISIBLE_DEVICES={free}"
    elif mine:
        fix = f"wait, or end them if they are yours: kill {' '.join(row[1] for row in mine)}"
    else:
        fix = "nvidia-smi   (wait, or end what it lists; a container does not see other containers' programs)"
    return warn(f"GPU {gpu.index}: {'; '.join(found)}", fix + smaller)


@check("throttling", "clocks")
def throttling(here: Machine) -> Answer:
    """Whether heat, power or a setting holds the clocks down."""
    state = here.condition
    if state is None or state.reasons is None:
        return skip("nvidia-smi does not tell" if here.gpu else "no GPU")
    held = [(words, cure) for bit, words, cure in THROTTLES if state.reasons & bit]
    degrees = f"; {state.temperature_c} degrees" if state.temperature_c is not None else ""
    if not held:
        return ok(f"nothing holds them down{degrees}")
    fixes = dict.fromkeys(_CURES[cure] for _, cure in held)
    return warn(f"{', '.join(words for words, _ in held)}{degrees}", "; ".join(fixes))
