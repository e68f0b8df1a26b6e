"""Checks of the right to read the GPU's counters: permission, devices, and GPUs that are shared out or sealed off."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ncukit.collect.doctor.check import Answer, Machine, ask, check, fail, ok, skip, text_of, warn

if TYPE_CHECKING:
    from pathlib import Path

CAP_SYS_ADMIN = 21
"""Bit in ``CapEff`` (linux/capability.h); the capability that NVIDIA's ERR_NVGPUCTRPERM page asks for."""
UNLOCK_COUNTERS = (
    "sudo -E ncukit profile …; for all users: "
    "echo 'options nvidia NVreg_RestrictProfilingToAdminUsers=0' | sudo tee /etc/modprobe.d/ncu.conf, "
    "then reboot (Debian and Ubuntu: sudo update-initramfs -u first); "
    "in a container: docker run --cap-add=SYS_ADMIN, or change the host's setting; "
    "without any of these: ncukit profile … --recorded"
)


@check("counter-permission", "counter permission")
def permission(here: Machine) -> Answer:
    """Whether the driver lets this process read counters (ERR_NVGPUCTRPERM)."""
    params = text_of(here.proc / "driver/nvidia/params")
    restricted = re.search(r"^RmProfilingAdminOnly:\s*(\d+)", params, re.MULTILINE)
    if restricted is None:
        return skip(f"{here.proc}/driver/nvidia/params does not say; only profiling a kernel will tell")
    if restricted[1] == "0":
        return ok("open to every user (RmProfilingAdminOnly: 0)")
    status = text_of(here.proc / "self/status")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    if effective is None or not int(effective[1], 16) >> CAP_SYS_ADMIN & 1:
        uid = re.search(r"^Uid:\s*\d+\s+(\d+)", status, re.MULTILINE)
        who = "root without CAP_SYS_ADMIN (a container?)" if uid and uid[1] == "0" else "neither root nor CAP_SYS_ADMIN"
        return fail(
            f"only for administrators (RmProfilingAdminOnly: 1), and this process has {who}",
            UNLOCK_COUNTERS,
        )
    # in a user namespace the capability is one over the namespace, not over the driver
    if text_of(here.proc / "self/uid_map").split() not in ([], ["0", "0", "4294967295"]):
        evidence = "only for administrators, and this root is one of a user namespace (rootless container?)"
        return warn(evidence, UNLOCK_COUNTERS)
    return ok("only for administrators, and this process has CAP_SYS_ADMIN")


def _group(path: Path) -> int:
    return path.stat().st_gid


@check("device-files", "device files")
def devices(here: Machine) -> Answer:
    """Whether this user may open the GPU: the driver's files in /dev are for reading and writing."""
    gpu = here.gpu
    names = ("nvidiactl", "nvidia-uvm", *([f"nvidia{gpu.index}"] if gpu else []))
    found = [here.dev / name for name in names if (here.dev / name).exists()]
    if not found:
        return skip(f"no NVIDIA device in {here.dev}")
    closed = [path for path in found if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        names_of = " ".join(map(str, closed))
        joined = f"sudo usermod -aG $(stat -c %G {closed[0]}) $USER, then log in again; "
        return fail(
            f"this user may not read and write {names_of}",
            # to join the group of root would be to become root
            (joined if _group(closed[0]) else "") + f"until the next reboot: sudo chmod a+rw {names_of}",
        )
    return ok(f"{', '.join(map(str, found))} can be opened")


@check("mig", "MIG")
def mig(here: Machine) -> Answer:
    """Whether the GPU is partitioned."""
    if here.gpu is None:
        return skip("no GPU")
    if not here.gpu.mig:
        return ok("off")
    return warn(
        "on: clocks cannot be locked, and counters of shared units (L2, DRAM) cannot be read",
        "ncukit profile … --clock-control none; for DRAM and L2 counters profile on a GPU without MIG",
    )


@check("virtual-gpu", "virtual GPU")
def virtual(here: Machine) -> Answer:
    """Whether this is a slice that a hypervisor hands out, which may not be profiled unless it allows it."""
    if here.gpu is None:
        return skip("no GPU")
    said = ask("nvidia-smi", "-q", "-i", str(here.gpu.index))
    mode = re.search(r"^\s*Virtualization Mode\s*:\s*(\S+)", said.text, re.MULTILINE) if said else None
    if mode is None:
        return skip("nvidia-smi -q does not tell")
    if mode[1] == "VGPU":
        return warn(
            f"{here.gpu.name} is a virtual GPU: ncu can read its counters only when the hypervisor allows it",
            "have the hypervisor's administrator allow profiling of this vGPU, or pass the whole GPU through",
        )
    return ok(f"virtualization mode {mode[1]}")


@check("confidential-computing", "confidential computing")
def confidential(here: Machine) -> Answer:
    """Whether the GPU hides its counters; its devtools mode shows them again."""
    if here.gpu is None:
        return skip("no GPU")
    feature = ask("nvidia-smi", "conf-compute", "-f")
    status = re.search(r"CC status:\s*(\w+)", feature.text) if feature else None
    if status is None:
        return skip("nvidia-smi conf-compute does not tell")
    if status[1] != "ON":
        return ok(f"CC status: {status[1]}")
    tools = ask("nvidia-smi", "conf-compute", "-d")
    if tools is not None and re.search(r"DevTools Mode:\s*ON", tools.text):
        return ok("CC status: ON, in devtools mode")
    return fail(
        "CC status: ON: the GPU's performance counters are off",
        "switch the GPU to CC mode devtools or off, on the host (NVIDIA gpu-admin-tools: --set-cc-mode=devtools)",
    )
