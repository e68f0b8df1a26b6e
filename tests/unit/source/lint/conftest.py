"""What the lint says about a piece of code, and what the installed Triton's compiler says."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from ncukit.source.inspection import Launch, Violation
from ncukit.source.lint import lint
from ncukit.source.text import parse

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "import triton\nimport triton.language as tl\n\n\n"
TYPES = {"_ptr": "*fp32", "_iptr": "*i32", "eps": "fp32"}
"""End of a parameter's name → its type in ``compiled``; a number otherwise."""
Lint = Callable[..., list[Violation]]
Compile = Callable[[str], str | None]
_count = itertools.count()


@pytest.fixture
def said() -> Lint:
    """Violations of a text: ``said(code, "TRI1")``; imports of Triton are put above it where it has none."""

    def run(code: str, *select: str, launches: Sequence[Launch] = ()) -> list[Violation]:
        return lint(parse(whole(code).encode(), "k.py"), launches, select=select)

    return run


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Why the kernel ``k`` of a text does not compile to Triton's first representation; None when it does."""
    pytest.importorskip("triton")

    def run(code: str) -> str | None:
        path = tmp_path / f"snippet{next(_count)}.py"
        path.write_text(whole(code))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                spec.loader.exec_module(module)
                _first_stage(module.k)
            except Exception as error:
                return f"{type(error).__name__}: {error}"
            finally:
                sys.modules.pop(path.stem, None)
        return None

    return run


def whole(code: str) -> str:
    """The code with Triton's imports."""
    return code if "import triton" in code else HEAD + code


def _first_stage(kernel: Any) -> None:
    """Triton's front end: quick, and all that refuses what the TRI1 rules are about."""
    from triton._C.libtriton import ir
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler.compiler import make_backend

    while not hasattr(kernel, "params"):  # an autotuner
        kernel = kernel.fn
    signature: dict[str, str] = {}
    constants: dict[tuple[int, ...], object] = {}
    for parameter in kernel.params:
        if parameter.is_constexpr:
            signature[parameter.name] = "constexpr"
            constants[(parameter.num,)] = parameter.default if parameter.has_default else 64
        else:
            known = (type_ for end, type_ in TYPES.items() if parameter.name.endswith(end))
            signature[parameter.name] = next(known, "i32")
    kernel.cache_key  # noqa: B018 - looks at what the kernel refers to, as a launch does
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    target = GPUTarget("cuda", 90, 32)
    backend = make_backend(target)
    options = backend.parse_options({})
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    functions, modules = backend.get_codegen_implementation(options), backend.get_module_map()
    source.make_ir(target, options, functions, modules, context)
