"""A GPU that is not there, for host code in the interpreter."""

from __future__ import annotations

from dataclasses import asdict

import torch

from ncukit import gpus
from ncukit.optimize.worker.pretend import Pretended, pretended, without_claims


def test_host_code_sees_cuda_tensors_that_lie_on_the_cpu() -> None:
    with Pretended():
        x = torch.rand(3, device="cuda")
        assert x.is_cuda
        assert x.device.type == "cuda"
        assert torch.zeros(2, device=x.device).is_cuda
        assert torch.empty_like(x).device == x.device
        assert x.to("cuda", torch.float16).dtype == torch.float16
        assert torch.nn.Linear(3, 3).cuda().weight.is_cuda
        with without_claims():
            assert not x.is_cuda
    assert x.device.type == "cpu"


def test_the_device_has_figures_while_it_is_pretended_and_is_gone_afterwards() -> None:
    before = torch.cuda.is_available(), dict(vars(torch.cuda)), torch.compile
    with pretended(asdict(gpus.get("H200"))):
        assert torch.cuda.is_available()
        assert torch.cuda.get_device_properties(0).multi_processor_count == 132
        assert torch.cuda.get_device_capability() == (9, 0)
    assert torch.cuda.is_available() == before[0]
    assert {k: v for k, v in vars(torch.cuda).items() if k in before[1]} == before[1]
    assert torch.compile is before[2]
