"""Checks of the driver, the GPU, and the right to read its counters."""

from __future__ import annotations

import re

from ncukit import gpus
from ncukit.collect import machine
from ncukit.collect.doctor.check import Check, Machine, State, text_of
from ncukit.errors import NcukitError

CAP_SYS_ADMIN = 21
"""Bit in ``CapEff`` (linux/capability.h); the capability that NVIDIA's ERR_NVGPUCTRPERM page asks for."""
UNLOCK_COUNTERS = (
    "echo 'options nvidia NVreg_RestrictProfilingToAdminUsers=0' | sudo tee /etc/modprobe.d/ncu.conf, "
    "then reboot (Debian and Ubuntu: update-initramfs -u first); or run as root; "
    "in a container: docker run --cap-add=SYS_ADMIN, or change the host's setting"
)


def driver(here: Machine) -> Check:
    """The GPU that CUDA would use, as the driver describes it."""
    gpu = machine.visible_gpu(here.gpus)
    if gpu is None and here.gpus:
        seen = here.environment.get("CUDA_VISIBLE_DEVICES", "")
        evidence = f"{len(here.gpus)} GPUs, but CUDA_VISIBLE_DEVICES='{seen}' names none of them"
        return Check(name="GPU and driver", state=State.FAIL, evidence=evidence, fix="unset CUDA_VISIBLE_DEVICES")
    if gpu is None:
        return Check(
            name="GPU and driver",
            state=State.FAIL,
            evidence=_silence(),
            fix="run on a machine with an NVIDIA GPU and driver; in a container: docker run --gpus all",
        )
    more = f"; {len(here.gpus)} GPUs in all" if len(here.gpus) > 1 else ""
    memory = f", {gpu.memory_mb / 1024:.0f} GiB" if gpu.memory_mb else ""
    capability = gpu.compute_capability or "unknown"
    evidence = f"{gpu.name}, compute capability {capability}, driver {gpu.driver_version}{memory}{more}"
    return Check(name="GPU and driver", state=State.OK, evidence=evidence)


def _silence() -> str:
    """Why no GPU was listed, in nvidia-smi's own words where it has any."""
    said = machine.ask(["nvidia-smi", "-L"])
    if said is None:
        return "there is no nvidia-smi"
    if said.exit_code is None:
        return f"nvidia-smi did not answer within {machine.TIMEOUT_S:g} s"
    words = next((line.strip() for line in said.text.splitlines() if line.strip()), "nothing")
    return f"nvidia-smi lists no GPU that can be described; it says: {words[:200]}"


def supported(here: Machine) -> Check:
    """Whether this ncu knows this chip: Pascal is too old for any, Blackwell too new for 2024's."""
    name = "GPU supported by ncu"
    gpu = machine.visible_gpu(here.gpus)
    capability = re.fullmatch(r"(\d+)\.(\d+)", gpu.compute_capability) if gpu else None
    if gpu is None or capability is None:
        return Check(name=name, state=State.SKIP, evidence="no compute capability to look at")
    if int(capability[1]) < 7:
        fix = "use a GPU of compute capability 7.0 (Volta) or newer"
        return Check(name=name, state=State.FAIL, evidence=f"compute capability {capability[0]} is below 7.0", fix=fix)
    chip = gpus.chip_of(capability[0])
    try:
        path = machine.find_ncu(here.ncu).path
    except NcukitError:
        return Check(name=name, state=State.SKIP, evidence="there is no ncu to ask")
    said = machine.ask([path, "--list-chips"])
    known = re.findall(r"\b[a-z]{2}\d{2}[0-9a-z]\b", said.text) if said and said.exit_code == 0 else []
    if not chip or not known:
        return Check(name=name, state=State.SKIP, evidence=f"no list of chips for compute capability {capability[0]}")
    if not any(one.startswith(chip[:4]) for one in known):
        fix = "install a newer Nsight Compute and set NCUKIT_NCU=/path/to/ncu"
        evidence = f"{path} knows no {chip} (compute capability {capability[0]}); it knows {', '.join(known)}"
        return Check(name=name, state=State.FAIL, evidence=evidence, fix=fix)
    return Check(name=name, state=State.OK, evidence=f"{chip}, compute capability {capability[0]}")


def mig(here: Machine) -> Check:
    """Whether the GPU is partitioned."""
    gpu = machine.visible_gpu(here.gpus)
    if gpu is None or not gpu.mig:
        return Check(name="MIG", state=State.OK if gpu else State.SKIP, evidence="off" if gpu else "no GPU")
    return Check(
        name="MIG",
        state=State.WARN,
        evidence="on: clocks cannot be locked, and counters of shared units (L2, DRAM) cannot be read",
        fix="ncukit profile --clock-control none; for DRAM and L2 counters use a GPU without MIG",
    )


def permission(here: Machine) -> Check:
    """Whether the driver lets this process read counters (ERR_NVGPUCTRPERM)."""
    name = "counter permission"
    params = text_of(here.proc / "driver/nvidia/params")
    restricted = re.search(r"^RmProfilingAdminOnly:\s*(\d+)", params, re.MULTILINE)
    if restricted is None:
        evidence = f"{here.proc}/driver/nvidia/params does not say; only profiling a kernel will tell"
        return Check(name=name, state=State.SKIP, evidence=evidence)
    if restricted[1] == "0":
        return Check(name=name, state=State.OK, evidence="open to every user (RmProfilingAdminOnly: 0)")
    status = text_of(here.proc / "self/status")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    if effective is None or not int(effective[1], 16) >> CAP_SYS_ADMIN & 1:
        uid = re.search(r"^Uid:\s*\d+\s+(\d+)", status, re.MULTILINE)
        who = "root without CAP_SYS_ADMIN (a container?)" if uid and uid[1] == "0" else "neither root nor CAP_SYS_ADMIN"
        evidence = f"only for administrators (RmProfilingAdminOnly: 1), and this process has {who}"
        return Check(name=name, state=State.FAIL, evidence=evidence, fix=UNLOCK_COUNTERS)
    # in a user namespace the capability is one over the namespace, not over the driver
    if text_of(here.proc / "self/uid_map").split() not in ([], ["0", "0", "4294967295"]):
        evidence = "only for administrators, and this root is one of a user namespace (rootless container?)"
        return Check(name=name, state=State.WARN, evidence=evidence, fix=UNLOCK_COUNTERS)
    return Check(name=name, state=State.OK, evidence="only for administrators, and this process has CAP_SYS_ADMIN")


def dcgm(here: Machine) -> Check:
    """Whether a monitor that takes the counters for itself is running."""
    names = ("nv-hostengine", "dcgm-exporter")
    processes = 0
    for comm in here.proc.glob("[0-9]*/comm"):
        processes += 1
        name = text_of(comm).strip()
        if name in names:
            return Check(
                name="DCGM",
                state=State.WARN,
                evidence=f"{name} runs (process {comm.parent.name}); when it samples counters, ncu cannot",
                fix="dcgmi profile --pause (afterwards: dcgmi profile --resume)",
            )
    evidence = f"not among {processes} processes (a container does not see its host's)"
    return Check(name="DCGM", state=State.OK if processes else State.SKIP, evidence=evidence)
