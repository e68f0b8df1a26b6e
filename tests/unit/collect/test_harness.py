"""The parts of the harness that need no GPU; tests/gpu runs the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ncukit.collect import harness
from ncukit.collect.launches import to_launches

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")
tl = pytest.importorskip("triton.language")


@triton.jit
def kernel(x_ptr, y_ptr, n, scale=2.0, BLOCK: tl.constexpr = 64):
    tl.store(y_ptr, tl.load(x_ptr) * scale)


COMPILED = SimpleNamespace(
    name="kernel",
    n_regs=32,
    n_spills=0,
    asm={"ttir": ""},
    metadata=SimpleNamespace(num_warps=4, num_stages=3, num_ctas=1, shared=0, hash="abc"),
)


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    recorder = harness.Recorder(tmp_path / "progress")
    yield recorder
    recorder._progress.close()


def test_arguments_are_bound_by_position_by_name_and_by_default(recorder):
    x, y = torch.zeros(4, 8), torch.zeros(4, 8)
    recorder.record(
        kernel, (x,), {"y_ptr": y, "n": 32, "num_warps": 8}, lambda meta: (meta["n"] // meta["BLOCK"] + 1,), COMPILED
    )
    (launch,) = recorder.launches
    assert launch["grid"] == [1, 1, 1]
    assert launch["scalars"] == {"n": 32, "scale": 2.0}
    assert [t["name"] for t in launch["tensors"]] == ["x_ptr", "y_ptr"]
    assert recorder.kernels[launch["kernel"]]["constexprs"] == {"BLOCK": 64}


@pytest.mark.parametrize(("grid", "expected"), [((5,), [5, 1, 1]), ([2, 3], [2, 3, 1]), (7, [7, 1, 1])])
def test_grids_come_in_many_shapes(recorder, grid, expected):
    x = torch.zeros(4)
    recorder.record(kernel, (x, x, 4), {}, grid, COMPILED)
    assert recorder.launches[0]["grid"] == expected


def test_bytes_count_distinct_elements_and_buffers_are_identities(recorder):
    base = torch.zeros(1000, 1000)
    recorder.record(kernel, (base[:10], base[0].expand(50, 1000), 1), {}, (1,), COMPILED)
    recorder.record(kernel, (base, base[1:], 1), {}, (1,), COMPILED)
    first, second = recorder.launches
    assert [t["bytes"] for t in first["tensors"]] == [10 * 1000 * 4, 1000 * 4]
    assert first["tensors"][0]["buffer"] == first["tensors"][1]["buffer"] == second["tensors"][0]["buffer"]
    assert second["tensors"][1]["buffer"] != second["tensors"][0]["buffer"]


def test_what_compiling_again_needs_is_kept(recorder):
    base = torch.zeros(64)
    recorder.record(kernel, (base, base[1:], 4), {}, (1,), COMPILED)
    facts = vars(COMPILED.metadata) | {"maxnreg": 64, "enable_fp_fusion": False, "launch_cooperative_grid": False}
    other = SimpleNamespace(**{**vars(COMPILED), "metadata": SimpleNamespace(**facts)})
    recorder.record(kernel, (base, base, 4), {}, (1,), other)
    assert [t["aligned"] for x in recorder.launches for t in x["tensors"]] == [True, False, True, True]
    assert [k["options"] for k in recorder.kernels.values()] == [{}, {"maxnreg": 64, "enable_fp_fusion": False}]
    record = {"kernels": recorder.kernels, "launches": recorder.launches}
    for entry in record["kernels"].values():
        entry["id"] = 0
    document = to_launches([json.loads(json.dumps(record))], "k.py")
    assert [k["options"] for k in document["kernels"].values()][1] == {"maxnreg": 64, "enable_fp_fusion": False}
    assert document["launches"][0]["tensors"][1]["aligned"] is False


def test_a_launch_in_a_graph_is_named_and_not_joined(recorder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    recorder.record(kernel, (torch.zeros(1), torch.zeros(1), 1), {}, (1,), COMPILED)
    assert recorder.launches == []
    assert recorder.unjoinable == {"kernel": "launched from a CUDA graph"}


def test_equal_kernels_are_kept_once_and_constexprs_tell_them_apart(recorder):
    x = torch.zeros(4)
    for block in (64, 64, 128):
        recorder.record(kernel, (x, x, 4), {"BLOCK": block}, (1,), COMPILED)
    assert len(recorder.kernels) == 2


def test_a_huge_compiler_text_is_left_out_whole(recorder):
    x = torch.zeros(4)
    huge = SimpleNamespace(**{**vars(COMPILED), "asm": {"ttir": "x" * 3_000_000}})
    recorder.record(kernel, (x, x, 4), {}, (1,), huge)
    assert [entry["ttir"] for entry in recorder.kernels.values()] == [""]


def test_the_record_becomes_launches_json(recorder):
    x = torch.zeros(4)
    recorder.record(kernel, (x, x, 4), {}, (1,), COMPILED)
    record = {"versions": {"triton": "3.7"}, "process": 7, "kernels": recorder.kernels, "launches": recorder.launches}
    for entry in record["kernels"].values():
        del entry["id"]
    document = to_launches([json.loads(json.dumps(record))] * 2, "k.py")
    assert [launch["process"] for launch in document["launches"]] == [7, 7]
    assert len(document["kernels"]) == 2
    assert all("ttir" not in entry for entry in document["kernels"].values())


def test_sizes_are_set_before_anything_uses_them(tmp_path):
    path = tmp_path / "copy.py"  # the name of a standard module, which must stay the standard one
    path.write_text("n, m = 4, 5.0\nk: int = 6\ntotal = n * m * k\n")
    module = harness.load_module(path, {"n": "10", "k": "2"})
    assert module.total == 10 * 5.0 * 2
    import copy

    assert copy.deepcopy([1]) == [1]


class Hostile:
    def __repr__(self):
        raise ValueError("no")


def test_inputs_are_described_by_dtype_and_shape():
    import numpy as np

    inputs = [torch.zeros(2, 3), torch.zeros((), dtype=torch.bfloat16), torch.zeros(0, 4, dtype=torch.int64)]
    assert harness.described(inputs) == ["float32[2,3]", "bfloat16[]", "int64[0,4]"]
    assert harness.described([np.zeros((5, 6))]) == ["float64[5,6]"], "the values differ from run to run"
    assert harness.described([]) == []


def test_other_values_are_described_by_their_text():
    assert harness.described([64, 1e-5, True, None, "same", torch.float16]) == [
        "64", "1e-05", "True", "None", "'same'", "torch.float16",
    ]  # fmt: skip


def test_containers_are_taken_apart_and_dicts_give_names():
    x = torch.zeros(4)
    assert harness.described({"x": x, "options": {"eps": 1e-5, "dims": (2, 3)}, "more": []}) == [
        "x=float32[4]", "options.eps=1e-05", "options.dims.0=2", "options.dims.1=3", "more=[]",
    ]  # fmt: skip
    assert harness.described([[x, x], (1, [2])]) == ["float32[4]", "float32[4]", "1", "2"]


def test_a_description_is_bounded_and_of_one_line():
    class Tall:
        def __repr__(self):
            return "tall\n  and\x09wide"

    items = harness.described(["x" * 5000, {"k" * 5000: 1}, Tall(), *range(100)])
    assert len(items) == 65
    assert max(map(len, items)) <= 2 * 80 + 1
    assert items[0].endswith("x…")
    assert items[2] == "tall and wide"
    assert items[-1] == "… and 39 more"


def test_a_description_is_the_same_in_every_run_and_in_every_file(tmp_path):
    texts = []
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("class Options: pass\nvalue = [Options(), Options, lambda: 0]")
        module = harness.load_module(tmp_path / name, {})
        texts.append(harness.described(module.value, module.__name__))
    assert texts[0] == texts[1] == ["<Options object>", "<class 'Options'>", "<function <lambda>>"]


def test_a_value_that_cannot_be_shown_is_named_by_its_class():
    assert harness.described([Hostile()]) == ["<Hostile>"]


def test_a_kernel_files_problem_is_described_with_the_sizes_in_force(tmp_path, monkeypatch):
    class Still(harness.Recorder):
        def start(self):
            self.active = True

        def stop(self):
            self.active = False

    (tmp_path / "k.py").write_text(
        "import torch\nn = 4\n"
        "class ModelNew:\n"
        "    def __init__(self, eps): pass\n"
        "    def __call__(self, x, y): x.resize_(1)\n"
        "def get_inputs(): return {'x': torch.zeros(n, 2), 'y': n}\n"
        "def get_init_inputs(): return [1e-5]\n"
    )
    monkeypatch.setattr(harness, "_moved", lambda value, device: value)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.syspath_prepend(str(tmp_path))  # the harness adds to sys.path: take it back afterwards
    recorder = Still(tmp_path / "progress")
    problem = harness.run_kernel_file(recorder, tmp_path / "k.py", {"n": "8"}, 1, [""])
    recorder._progress.close()
    assert problem == {"inputs": ["x=float32[8,2]", "y=8"], "init": ["1e-05"]}, "as made, not as the model left them"


def test_without_a_gpu_the_record_says_so(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (tmp_path / "k.py").write_text("raise SystemExit(5)")
    done = _run(tmp_path, "kernel")
    record = json.loads((tmp_path / "record").read_text())
    assert done.returncode == harness.FAILED
    assert record["error"]["stage"] == "set-up"
    assert "no CUDA device" in record["error"]["message"]


def test_a_script_keeps_its_arguments_its_name_and_its_exit_status(tmp_path):
    (tmp_path / "k.py").write_text(
        "import sys\nassert __name__ == '__main__'\nprint(sys.argv[1:])\nsys.exit(len(sys.argv))"
    )
    done = _run(tmp_path, "script", "--", "-x", "y")
    assert (done.returncode, done.stdout.strip()) == (3, "['-x', 'y']")


def test_an_error_in_a_script_names_its_line(tmp_path):
    (tmp_path / "k.py").write_text("x = 1\nraise ValueError('boom')\n")
    done = _run(tmp_path, "script")
    error = json.loads((tmp_path / "record").read_text())["error"]
    assert done.returncode == harness.FAILED
    assert (error["type"], error["where"][1]) == ("ValueError", 2)


def _run(folder: Path, mode: str, *words: str):
    command = [sys.executable, harness.__file__, "--record", "record", "--progress", "progress", "--mode", mode, "k.py"]
    return subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, timeout=120)


def test_torch_compiles_own_trials_are_kept_out_of_the_range_too(tmp_path):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import harness, pathlib
assert "recorder" not in sys.modules
harness.Recorder(pathlib.Path("progress")).install()
import torch._inductor.runtime.triton_heuristics as inductor
print(inductor.CachingAutotuner.benchmark_all_configs.__name__, inductor.CachingAutotuner.bench.__name__)
"""
    folder = str(Path(harness.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, folder], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["paused", "bench"], done.stderr[-500:]
