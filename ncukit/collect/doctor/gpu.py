"""Checks of the driver and of which GPU a program gets."""

from __future__ import annotations

from ncukit.collect.doctor.check import Answer, Machine, check, fail, ok, skip, text_of, warn

NO_GPU = (
    "run on a machine with an NVIDIA GPU and driver; in a container: docker run --gpus all; "
    "without a GPU: ncukit profile … --recorded"
)
REASONS = (
    # nvidia-smi's words → what to do; each is its own message, quoted by users and by NVIDIA's forums
    (
        "version mismatch",
        "sudo reboot   (the driver was updated, and the kernel still runs the older module)",
    ),
    (
        "communicate with the NVIDIA driver",
        "sudo modprobe nvidia   (if that fails, reinstall the driver for this kernel)",
    ),
)


@check("gpu-driver", "GPU and driver")
def driver(here: Machine) -> Answer:
    """The GPU that CUDA would use, as the driver describes it."""
    if not here.gpus:
        return _silence(here)
    gpu = here.gpu or here.gpus[0]
    more = f"; {len(here.gpus)} GPUs in all" if len(here.gpus) > 1 else ""
    memory = f", {gpu.memory_mb / 1024:.0f} GiB" if gpu.memory_mb else ""
    capability = gpu.compute_capability or "unknown"
    return ok(f"{gpu.name}, compute capability {capability}, driver {gpu.driver_version}{memory}{more}")


def _silence(here: Machine) -> Answer:
    """Why no GPU was listed, in nvidia-smi's own words where it has any."""
    said = here.smi
    if said is None:
        if text_of(here.proc / "driver/nvidia/version") and any(here.dev.glob("nvidia[0-9]*")):
            return warn(
                "the driver is loaded and has devices, but there is no nvidia-smi to describe them",
                "put nvidia-smi on PATH; in a container: docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            )
        return fail("there is no nvidia-smi", NO_GPU)
    if said.exit_code is None:
        return fail(
            "nvidia-smi does not answer in time",
            "nvidia-smi   (slow: sudo nvidia-smi -pm 1 keeps the driver loaded; stuck: sudo reboot)",
        )
    words = next((line.strip() for line in said.text.splitlines() if line.strip()), "nothing")
    fix = next((fix for reason, fix in REASONS if reason in said.text), NO_GPU)
    return fail(f"nvidia-smi lists no GPU that can be described; it says: {words[:200]}", fix)


@check("visible-devices", "visible GPUs")
def visible(here: Machine) -> Answer:
    """Whether ``CUDA_VISIBLE_DEVICES`` leaves a GPU to use."""
    value = here.environment.get("CUDA_VISIBLE_DEVICES")
    if not here.gpus:
        return skip("no GPU to choose from")
    if value is None:
        return ok("CUDA_VISIBLE_DEVICES is not set")
    if here.gpu is None:
        count = f"{len(here.gpus)} GPUs" if len(here.gpus) > 1 else "1 GPU"
        return fail(f"{count}, but CUDA_VISIBLE_DEVICES='{value}' names none", "unset CUDA_VISIBLE_DEVICES")
    return ok(f"CUDA_VISIBLE_DEVICES='{value}' names GPU {here.gpu.index}")


@check("device-order", "order of GPUs")
def order(here: Machine) -> Answer:
    """Whether CUDA and nvidia-smi number unlike GPUs alike: CUDA starts with the fastest, nvidia-smi with the slot."""
    names = list(dict.fromkeys(gpu.name for gpu in here.gpus))
    if not names:
        return skip("no GPU")
    if len(names) == 1:
        return ok("one GPU" if len(here.gpus) == 1 else f"{len(here.gpus)} GPUs of one model")
    if here.environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return ok("CUDA_DEVICE_ORDER=PCI_BUS_ID: CUDA numbers the GPUs as nvidia-smi does")
    return warn(
        f"{', '.join(names)}: CUDA's device 0 is the fastest, and may be another than nvidia-smi's GPU 0",
        "export CUDA_DEVICE_ORDER=PCI_BUS_ID",
    )


@check("compute-mode", "compute mode")
def compute_mode(here: Machine) -> Answer:
    """Whether the GPU takes more than one program."""
    mode = here.condition.compute_mode if here.condition else ""
    if here.gpu is None or not mode:
        return skip("nvidia-smi does not tell" if here.gpu else "no GPU")
    fix = f"sudo nvidia-smi -i {here.gpu.index} -c DEFAULT"
    if mode == "Prohibited":
        return fail("Prohibited: no CUDA program may run on this GPU", fix)
    if mode.startswith("Exclusive"):
        return warn(f"{mode}: a single program at a time; a second one fails", fix)
    return ok(mode)


@check("persistence-mode", "persistence mode")
def persistence(here: Machine) -> Answer:
    """Whether the driver stays loaded between two programs."""
    state = here.condition
    if here.gpu is None or state is None or not state.persistence:
        return skip("nvidia-smi does not tell" if here.gpu else "no GPU")
    if state.persistence == "Enabled" or state.display == "Enabled":
        return ok("on" if state.persistence == "Enabled" else "off, but a screen keeps the driver loaded")
    return warn(
        "off: the driver unloads after each program, so every run starts slower and clock settings are lost",
        f"sudo nvidia-smi -i {here.gpu.index} -pm 1",
    )
