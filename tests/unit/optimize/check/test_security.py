"""Ways out of the rules, and what ordinary code looks like beside them."""

from __future__ import annotations

import pytest
from answers import FORWARD, KERNEL, answer, judged

HIDDEN = {
    "names for wraps": answer(imports="import functools", top='f = functools.wraps(double, assigned=("gi_frame",))'),
    "a module by getattr": answer(forward=f'c = getattr(torch, "cuda")\nc.torch\n{FORWARD}'),
    "fields of a format": answer(init='"{0.gi_frame.f_back}".format(self)'),
    "torch's own names": answer(
        top="class Names:\n    _load_state_dict_post_hooks = 1", init="self._load_state_dict_post_hooks[1] = 2"
    ),
    "return in finally": answer(forward="try:\n    y = double(x)\nfinally:\n    return x"),
    "a handler that may return": answer(
        forward="try:\n    y = double(x)\nexcept Exception:\n    if x.numel():\n        return x\n    raise\nreturn y"
    ),
    "star import": answer(imports="from torch import *"),
    "alias of the package": answer(imports="import torch as t", top="t.Tensor.allclose = None"),
    "submodule": answer(imports="from torch import cuda", init="cuda.Stream()"),
    "alias of a module": answer(forward=f"f = torch.cuda\nf.Stream()\n{FORWARD}"),
    "alias of an alias": answer(forward=f"a = torch\nb = a.cuda\nc = b\nc.Stream()\n{FORWARD}"),
    "more aliases than are followed": answer(
        forward="\n".join(["a0 = torch", *(f"a{n + 1} = a{n}" for n in range(9)), "a9.compile(double)", FORWARD])
    ),
    "an alias of itself": answer(forward=f"t = torch\nt = t.cuda\nt.Stream()\n{FORWARD}"),
    "computed name": answer(forward=f'getattr(torch, "com" + "pile")\n{FORWARD}'),
    "name in getattr": answer(forward=f'getattr(torch, "compile")(double)\n{FORWARD}'),
    "getattr handed on": answer(forward=f"list(map(getattr, [x], ['a']))\n{FORWARD}"),
    "getattr in reduce": answer(imports="import functools", init='functools.reduce(getattr, [self, "a"])'),
    "object's subclasses": answer(init="().__class__.__base__.__subclasses__()"),
    "globals of a function": answer(init='double.__globals__["__builtins__"]'),
    "builtins": answer(init='__builtins__["eval"]("1")'),
    "import function": answer(init='__import__("os").system("true")'),
    "eval": answer(init='eval("1")'),
    "wide letters": answer(init='ｅｖａｌ("1")'),
    "exec in an annotation": answer(top='def f(x: exec("1")): pass'),
    "open in a default": answer(top='def f(x=open("f")): pass'),
    "decorator": answer(top="@torch.compile\ndef f(x): return x"),
    "module as a default": answer(top="def f(x, t=torch): return t"),
    "module as a keyword default": answer(top="def f(*, t=torch.cuda): return t"),
    "module in a lambda": answer(top="f = lambda t=torch.cuda: t.Stream()"),
    "module in a class body": answer(top="class A:\n    t = torch.cuda\n    s = t.Stream()"),
    "import in a class body": answer(top="class A:\n    import torch as t", init='A.t.load("f")'),
    "module in a list": answer(init="[torch][0].compile"),
    "module in a tuple": answer(init="a, b = torch, 1"),
    "module in a dict": answer(top='D = {"t": torch}'),
    "module starred": answer(init="print(*[torch])"),
    "module in a loop": answer(init="for t in (torch,):\n    t.compile"),
    "module in a comprehension": answer(init="[t.compile for t in [torch]]"),
    "module named like itself": answer(init="[torch for torch in [torch]][0].compile"),
    "module returned": answer(top="def f(): return torch"),
    "module chosen": answer(init="t = torch if self else torch"),
    "module by or": answer(init="t = torch or 1"),
    "module by walrus": answer(init="(t := torch)"),
    "module out of a comprehension": answer(init="[(t := torch.cuda) for _ in range(1)]\nt.Stream()"),
    "module by match": answer(init="match torch:\n    case t:\n        t.compile"),
    "module by with": answer(init="with torch as t:\n    pass"),
    "module as annotation": answer(top="def f(x: torch): pass"),
    "module by nonlocal": answer(
        top="def a():\n    t = 0\n    def b():\n        nonlocal t\n        t = torch\n    b()\n    t.compile(1)"
    ),
    "module by global": answer(top="def a():\n    global s\n    s = torch.cuda\ndef b():\n    s.Stream()"),
    "attribute by match": answer(init="match self:\n    case object(__class__=c):\n        pass"),
    "f-string": answer(init='f"{self.__class__.__mro__}"'),
    "f-string's format": answer(init='f"{1:{torch.hub}}"'),
    "class as an argument": answer(top="def f(c): pass", init="f(torch.Tensor)"),
    "class as a key": answer(init="d = {}\nd[torch.Tensor] = 1"),
    "class in an exception": answer(init="try:\n    {}[torch.Tensor]\nexcept KeyError as e:\n    e.args"),
    "class kept": answer(init="self.c = torch.Tensor"),
    "class of a value": answer(forward=f"c = type(x)\n{FORWARD}"),
    "class made": answer(init='type("A", (), {})'),
    "class of dataclasses": answer(imports="import dataclasses", init="dataclasses.fields(self)"),
    "metaclass": answer(top="class A(metaclass=type): pass"),
    "subscripted by an own class": answer(top="class A:\n    def __getitem__(self, t): pass"),
    "swallowing context": answer(
        top="class A:\n    def __enter__(self): pass\n    def __exit__(self, *a): return True"
    ),
    "array interface": answer(top="class A:\n    __cuda_array_interface__ = {}"),
    "frame of a generator": answer(init="(i for i in [1]).gi_frame.f_back"),
    "frame of an error": answer(init="try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    e.__traceback__.tb_frame"),
    "numpy": answer(forward=f'x.cpu().numpy().tofile("f")\n{FORWARD}'),
    "storage": answer(forward=f"x.untyped_storage()\n{FORWARD}"),
    "source of a kernel": answer(init='double_kernel._unsafe_update_src("x")'),
    "source of a kernel, by an own name": answer(
        top="class A:\n    def _unsafe_update_src(self): pass\n    def go(self, s):\n        self._unsafe_update_src(s)"
    ),
    "hook of a kernel": answer(init="double_kernel.add_pre_run_hook(print)"),
    "module of the language": answer(init='tl.core.os.system("true")'),
    "module of the language, in a kernel": answer(kernel=KERNEL.replace("tl.load(", "tl.core.builtins.eval(")),
    "module of the language, imported": answer(imports="from triton.language import core as c"),
    "module of its mathematics": answer(imports="from triton.language import math as m", init="m.core"),
    "attrgetter": answer(imports="from operator import attrgetter"),
    "methodcaller": answer(imports="import operator", init='operator.methodcaller("x")'),
    "type hints": answer(imports="from typing import get_type_hints"),
    "suppress": answer(imports="import contextlib", init="contextlib.suppress(Exception)"),
    "import in a function": answer(forward=f"import os\n{FORWARD}"),
    "relative import": answer(imports="from . import secrets"),
    "pickle": answer(init='torch.load("f")'),
    "hub": answer(init='torch.hub.load("a", "b")'),
    "extension": answer(imports="from torch.utils.cpp_extension import load_inline"),
    "C of torch": answer(init="torch._C._cuda_getCurrentStream"),
    "operators": answer(forward="return torch.ops.aten.relu(x)"),
    "runtime": answer(imports="from triton.runtime.jit import KernelInterface"),
    "compiler": answer(init="triton.compile"),
    "timing": answer(imports="from triton.testing import do_bench"),
    "gluon": answer(imports="from triton.experimental import gluon"),
    "exit": answer(forward="exit()"),
    "SystemExit": answer(forward="raise SystemExit"),
    "catching all": answer(init="try:\n    pass\nexcept BaseException:\n    pass"),
    "setattr": answer(init='setattr(torch, "a", 1)'),
    "object's setattr": answer(init='object.__setattr__(self, "a", 1)'),
}
SET = {
    "function": answer(top="triton.testing.do_bench = lambda *a, **k: 0.0"),
    "method": answer(top="torch.Tensor.abs = abs"),
    "in a loop": answer(init="for torch.x in [1]: pass"),
    "by with": answer(init="with torch.no_grad() as torch.x: pass"),
    "by del": answer(top="del torch.compile"),
    "by +=": answer(top="torch.x += 1"),
    "a setting": answer(top="torch.backends.cuda.matmul.allow_tf32 = True"),
    "on a value": answer(forward=f"x.grad_fn = 1\n{FORWARD}"),
    "on a function": answer(init="double.cache = {}"),
    "its own class": answer(init="self.__class__ = 1"),
    "a kernel's source": answer(init="self._src = 1"),
}
FINE = {
    "as it is": answer(),
    "types": answer(
        imports="from typing import Any, Callable, NamedTuple, Optional\nfrom collections.abc import Sequence",
        top="Grid = Callable[[dict], tuple]\nInputs = list[torch.Tensor]\n"
        "def f(x: torch.Tensor | None, k: triton.JITFunction, o: Optional[nn.Module]) -> list[torch.Tensor]:\n"
        "    return [x]\n"
        "class Plan(NamedTuple):\n    block: int\n    out: torch.Tensor | None = None\n"
        "def g(p: Plan, all_of: Sequence[int]) -> Any: return p._replace(block=2).block + all_of[0]",
    ),
    "questions": answer(
        forward="assert x.is_cuda and isinstance(x, torch.Tensor), type(x).__name__\n"
        'if x.dtype not in (torch.float32, torch.float16):\n    raise TypeError(f"{x.dtype} of {type(x)}")\n' + FORWARD
    ),
    "devices": answer(
        top="def sms(x):\n    with torch.cuda.device(x.device):\n"
        "        return torch.cuda.get_device_properties(x.device).multi_processor_count\n"
        "DEVICE = triton.runtime.driver.active.get_active_torch_device()"
    ),
    "libdevice": answer(
        imports="try:\n    from triton.language.extra import libdevice\nexcept ImportError:\n"
        "    from triton.language.extra.cuda import libdevice",
        kernel=KERNEL.replace("* 2", "* libdevice.tanh(2.0)"),
    ),
    "aliases": answer(
        top="tl_math = tl.math\ndt = torch.float32\nSIZE = dt.itemsize\nTensor = torch.Tensor\n"
        "def f(x: Tensor): return x.to(dt)"
    ),
    "descriptors": answer(
        imports="from triton.tools.tensor_descriptor import TensorDescriptor",
        top='def hook(nargs):\n    nargs["d"].block_shape = [nargs["BLOCK"]]\n'
        "CONFIGS = [triton.Config({'BLOCK': b}, num_warps=4, pre_hook=hook) for b in (64, 128)]\n"
        "def f(x): return TensorDescriptor.from_tensor(x, [64])\n"
        'def alloc(size, align, stream): return torch.empty(size, device="cuda", dtype=torch.int8)\n'
        "def use(): triton.set_allocator(alloc)",
    ),
    "parameters": answer(
        init="self.weight = nn.Parameter(torch.randn(8))\nself.register_buffer('run', torch.zeros(8))\n"
        "nn.init.kaiming_uniform_(self.weight, a=5**0.5)\nself.names = nn.ModuleList([nn.Linear(2, 2)])",
        forward="self.weight.data = self.weight.data.contiguous()\n"
        f"w = self.run + self.names[0].weight.t()[0]\n{FORWARD}",
    ),
    "names of its own": answer(
        top="class Box:\n    def __init__(self, size): self._size, self.grid_of = size, (size,)\n"
        '    def __repr__(self): return f"{self.__class__.__name__}({self._size})"',
        forward=f"box = Box(3)\nassert box.grid_of and box._size\n{FORWARD}",
    ),
    "the standard library": answer(
        imports="import math\nimport functools\nimport itertools\nimport operator\n"
        "from dataclasses import dataclass, replace\nfrom enum import IntEnum\n"
        "from collections import namedtuple, defaultdict",
        top="@dataclass(frozen=True)\nclass C:\n    b: int = 2\nclass E(IntEnum):\n    A = 1\n"
        "P = namedtuple('P', 'left right')\n"
        "@functools.lru_cache(maxsize=None)\ndef f(n: int) -> int: return math.ceil(n / 2)\n"
        "ALL = [dict(zip('ab', v)) for v in itertools.product((1, 2), repeat=2)]\n"
        "T = functools.reduce(operator.mul, [1, 2], 1) + P(1, 2).left + replace(C(), b=3).b + E.A.value",
    ),
    "local names of modules": answer(top="def shape(x):\n    nn, tl = x.shape[0], x.shape[1]\n    return nn * tl"),
    "a function inside": answer(
        forward="def grid(meta):\n    return (triton.cdiv(x.numel(), meta['BLOCK']),)\n" + FORWARD
    ),
    "gradients off": answer(forward=f"with torch.no_grad():\n    {FORWARD}"),
    "a version": answer(top='NEW = hasattr(tl, "squeeze") or triton.__version__ >= "3.7"'),
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_ways_out_are_closed(text) -> None:
    assert judged(text), "nothing stands against it"


@pytest.mark.parametrize("text", SET.values(), ids=SET)
def test_what_is_not_the_answers_cannot_be_set(text) -> None:
    assert "patched" in judged(text)


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_good_answers_contain_is_fine(text) -> None:
    assert judged(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (answer(init="torch.cuda.Stream()"), "hidden-stream"),
        (answer(init="torch.cuda.CUDAGraph()"), "hidden-stream"),
        (answer(forward=f"x.record_stream(None)\n{FORWARD}"), "hidden-stream"),
        (answer(imports="import threading"), "thread"),
        (answer(imports="from concurrent.futures import ThreadPoolExecutor"), "thread"),
        (answer(top="async def f(): pass"), "thread"),
        (answer(init="torch.manual_seed(0)"), "seeded"),
        (answer(imports="import random"), "seeded"),
        (answer(imports="import os"), "forbidden-import"),
        (answer(imports="import numpy as np"), "forbidden-import"),
        (answer(init="torch.compile(double)"), "library-compute"),
        (answer(imports="import cupy"), "library-compute"),
        (answer(imports="import ctypes"), "foreign-code"),
        (answer(top="class T(torch.Tensor): pass"), "lazy-tensor"),
        (answer(imports="from torch import Tensor as T", top="class U(T): pass"), "lazy-tensor"),
        (answer(top="class P(nn.Parameter): pass"), "lazy-tensor"),
        (answer(top="class A:\n    @classmethod\n    def __torch_dispatch__(cls, *a): pass"), "lazy-tensor"),
        (answer(forward="return double(x).as_subclass(torch.Tensor)"), "lazy-tensor"),
        (answer(init="torch.set_float32_matmul_precision('high')"), "patched"),
        (answer(init="print(torch.nosuch)"), "forbidden-name"),
    ],
)
def test_the_reason_is_the_one_that_fits(text, code) -> None:
    assert code in judged(text)
