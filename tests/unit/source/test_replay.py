"""Recorded launches are compiled again, and nothing else of a file that a recording names is run."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

from ncukit.source.inspect import Request, inspect
from ncukit.source.worker import namespace
from ncukit.source.worker.replay import _argument, _constant, _functions, _tensor, replay

OUT = "late.core.inspect.os.system('touch {marker}')"
FILE = '''
import os
import math
import triton
import triton.language as tl

os.system("touch {marker}")
SIZE = os.environ["HOME"]
HALF: tl.constexpr = tl.constexpr(2)

@triton.jit(debug=\'\'\'
def other_text(x_ptr, n, B: tl.constexpr):
    """\'\'\')
def other_text(x_ptr, n, B: tl.constexpr):
    """
    {out}
    tl.store(x_ptr, n)
    """
    tl.store(x_ptr, n)
    # """

@triton.jit
def late_import(x_ptr, n, B: tl.constexpr):
    {out}
    tl.store(x_ptr, n)

@triton.jit
def apart(x_ptr, n, B: tl.constexpr):
    twice.compile("{marker}")
    tl.store(x_ptr, n)

@triton.jit
def twice(x):
    return x * HALF

@triton.jit
def good(x_ptr, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(x_ptr + i, twice(math.sqrt(4.0)), mask=i < n)

import triton.language as late
'''
NAMES = ("other_text", "late_import", "apart", "good")


@pytest.fixture
def hostile(tmp_path):
    """A file whose kernels reach for the system in ways that Triton's compiler would follow."""
    file = tmp_path / "kernels.py"
    marker = tmp_path / "marker"
    file.write_text(FILE.format(marker=marker, out=OUT.format(marker=marker)))
    return file


def test_no_code_of_the_file_runs_and_what_is_harmless_is_compiled(hostile, tmp_path):
    kernel = {"num_warps": 4, "num_stages": 3, "num_ctas": 1, "constexprs": {"B": 1024}}
    tensor = {"name": "x_ptr", "dtype": "float32", "shape": [1000], "aligned": False}
    options = {"maxnreg": 16, "ir_override": "/etc/passwd", "extern_libs": "x", "enable_fp_fusion": "no"}
    recording = {
        "kernels": {n: {"name": n, **kernel, "options": options if n == "good" else {}} for n in NAMES},
        "launches": [{"kernel": n, "grid": [1, 1, 1], "scalars": {"n": 1000}, "tensors": [tensor]} for n in NAMES],
    }
    launches = tmp_path / "launches.json"
    launches.write_text(json.dumps(recording))
    request = Request(
        path=str(hostile), archs=("sm_90",), recording=str(launches), compile_only=True, use_cache=False, timeout_s=120
    )
    found = inspect(request).inspection
    assert not (tmp_path / "marker").exists()
    (good,) = found.compiled
    assert good.launch.kernel == "good"
    assert good.launch.options == {"maxnreg": 16}
    assert {a.name: a.divisible for a in good.launch.arguments} == {"x_ptr": False, "n": False, "B": False}


def test_a_function_whose_text_is_not_what_was_looked_at_is_dropped(hostile):
    functions, lost = _functions(hostile)
    assert set(functions) == {"late_import", "twice", "good"}
    assert set(lost) == {"other_text", "apart"}
    assert lost["other_text"].why == "is not, for Triton, the text that stands there"
    assert lost["apart"].why == "asks a value or a function for its parts"
    late = functions["late_import"].fn.__globals__["late"]
    assert not hasattr(late.core, "inspect")
    assert set(late.__dict__) >= {"load", "store", "float32", "constexpr"}


@pytest.mark.parametrize("name", ["os", "torch", "triton.runtime", "triton.compiler", "importlib", "triton.languages"])
def test_other_modules_are_not_to_be_had(name):
    with pytest.raises(ImportError):
        namespace.module_of(name)


@pytest.mark.parametrize(
    ("text", "name", "has"),
    [
        ("import triton.language as tl", "tl", "load"),
        ("import triton", "triton", "jit"),
        ("from triton import language as tl", "tl", "load"),
        ("from triton.language.extra import libdevice", "libdevice", "tanh"),
        ("import triton.language.extra.cuda.libdevice as ld", "ld", "tanh"),
        ("from triton.experimental.gluon import language as gl", "gl", "load"),
        ("import math", "math", "sqrt"),
    ],
)
def test_an_import_binds_the_language_and_no_way_out_of_it(text, name, has):
    names: dict = {}
    namespace.bind(ast.parse(text).body[0], names)
    assert hasattr(names[name], has)
    seen, pending = set(), [names[name]]
    while pending:
        module = pending.pop()
        seen.add(module.__name__)
        pending += [v for v in vars(module).values() if type(v) is type(ast) and v.__name__ not in seen]
    assert all(n == "math" or n.startswith(("triton.language", "triton.experimental.gluon")) for n in seen - {"triton"})
    assert not {"os", "sys", "inspect", "eval", "exec", "open"} & set(vars(names[name]))


def test_values_come_back_as_they_were_passed():
    import triton.language as tl

    assert _constant("fp32") == tl.float32
    assert _constant("tf32") == "tf32"
    assert _argument("x", {"x.0": 1, "x.1.0": 2, "x.1.1": 3}) == (1, (2, 3))
    assert _argument("x", {"y": 1}) is None
    view = _tensor({"dtype": "float16", "shape": [4, 8], "aligned": False})
    assert (view.shape, view.storage_offset(), view.is_contiguous()) == ((4, 8), 1, True)
    assert _tensor({"dtype": "torch.float16", "shape": [], "aligned": True}).storage_offset() == 0


def test_every_bundled_kernel_can_be_had_without_running_its_file():
    root = Path(__file__).parents[3]
    for file in (root / "kernels").glob("*.py"):
        functions, _ = _functions(file)
        assert functions, file


BESIDE = """
import os
import triton
import triton.language as tl
from helper_mod import act

@triton.jit
def scaled(x: Tensor, y=1):
    return act(x)

@triton.jit
def calls(x_ptr, n, B: tl.constexpr):
    tl.store(x_ptr, scaled(n))

@triton.jit
def reads(x_ptr, n, B: tl.constexpr):
    tl.static_assert(False, "{0.__class__.__init__.__globals__[inspect].os.environ}".format(n))

@triton.jit
def good(x_ptr, n: Tensor, B: tl.constexpr):
    tl.store(x_ptr, n)
"""


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A file, a way to record its kernels, and the names that were launched again."""
    made = []
    monkeypatch.setattr("ncukit.source.worker.replay._launch", lambda f, launch, kernel: made.append(f.__name__))
    file = tmp_path / "beside.py"
    file.write_text(BESIDE)

    def again(*names, notes=None):
        kernels = {n: {"name": n, "constexprs": {"B": 4}} for n in names}
        launches = [{"kernel": n, "grid": [1], "scalars": {"n": 1}, "tensors": []} for n in names for _ in range(2)]
        return replay({"kernels": kernels, "launches": launches}, file, notes)

    again.made = made
    return again


def test_a_kernel_that_is_not_launched_again_is_told_once(beside):
    notes = beside("good", "calls", "reads", "gone")
    assert beside.made == ["good", "good"]
    assert [(n["code"], n["kernel"], n["line"]) for n in notes] == [
        ("left-out", "calls", 12),
        ("left-out", "reads", 16),
        ("elsewhere", "gone", None),
    ]
    assert notes[0]["message"] == (
        "calls cannot be taken out of beside.py without running the file: it uses `scaled`, which uses `act`, "
        "which comes from helper_mod"
    )
    assert notes[1]["message"].endswith("it uses `.format`")
    assert notes[2]["message"] == "gone was recorded, and beside.py does not define it"


def test_a_recording_without_launches_has_nothing_to_tell(beside):
    assert beside() == []
    assert beside.made == []


def test_when_nothing_can_be_launched_every_reason_is_told(beside):
    notes: list = []
    with pytest.raises(LookupError, match=r"calls cannot .* helper_mod; gone was recorded"):
        beside("calls", "gone", notes=notes)
    assert [n["kernel"] for n in notes] == ["calls", "gone"]


def test_notes_are_had_though_triton_refuses_a_launch(beside, monkeypatch):
    def refuse(*_):
        raise TypeError("refused")

    monkeypatch.setattr("ncukit.source.worker.replay._launch", refuse)
    notes: list = []
    with pytest.raises(TypeError, match="refused"):
        beside("good", "calls", notes=notes)
    assert [n["code"] for n in notes] == ["left-out"]


def test_annotations_do_not_run_code_of_the_file(tmp_path):
    marker = tmp_path / "marker"
    file = tmp_path / "attack.py"
    touch = f'list(g)[0]["sys"].modules["os"].system("touch {marker}")'
    file.write_text(
        "import triton\nimport triton.language as tl\n"
        f"C: [g := (g.gi_frame.f_back.f_back.f_globals for _ in (1,)), {touch}] = 1\n"
        f'(D): [open("{marker}", "w")] = 1\n'
        "@triton.jit\ndef k(x_ptr):\n    tl.store(x_ptr, 1)\n"
    )
    functions, lost = _functions(file)
    assert set(functions) == {"k"}
    assert lost == {}
    assert functions["k"].fn.__globals__["C"] == functions["k"].fn.__globals__["D"] == 1
    assert not marker.exists()


def test_a_type_that_torch_does_not_have_is_named():
    with pytest.raises(LookupError, match="the recorded type load is none of torch's"):
        _tensor({"dtype": "load", "shape": [4]})
