"""Sums, exactly and without `eval`: a small grammar of numbers, operators and functions, bounded in size."""

from __future__ import annotations

import ast
import math
import operator
import statistics
from collections.abc import Callable
from typing import Any

from desktop_app.errors import ToolError
from desktop_app.tools.tool import Consent, FunctionTool, Tool, ToolSpec, parameters

MAX_LENGTH = 500
MAX_BITS = 4_000
"""The largest number there may be on the way, about 1,200 digits."""

SPEC = ToolSpec(
    "calculate",
    "Work out an arithmetic expression. Operators: + - * / // % ** and parentheses; functions: sqrt, cbrt, exp, "
    "log(x, base), log10, log2, sin, cos, tan, asin, acos, atan, degrees, radians, factorial, comb, perm, gcd, "
    "lcm, abs, round, floor, ceil, min, max, sum, mean, median, stdev; constants: pi, e, tau. Angles in radians.",
    parameters(required={"expression": {"type": "string", "description": "Such as (3 + 4) * 2 ** 10"}}),
    Consent.NEVER,
    title="Calculator",
)


def calculator_tool() -> Tool:
    """Return the tool."""
    return FunctionTool(SPEC, lambda arguments: calculate(arguments["expression"]))


def calculate(expression: str) -> dict[str, object]:
    """Return `{"result": …}`; raises `ToolError` with what is wrong with the expression."""
    if len(expression) > MAX_LENGTH:
        raise ToolError(f"The expression is longer than {MAX_LENGTH} characters.", "Work it out in parts.")
    written = expression.strip().replace("×", "*").replace("÷", "/").replace("−", "-").replace("π", "pi")
    written = written.replace("^", "**")  # in Python it would be something else, and bind otherwise
    try:
        result = _evaluator().eval(written)
    except ToolError:
        raise
    except ZeroDivisionError:
        raise ToolError("That divides by zero.") from None
    except (OverflowError, RecursionError, MemoryError):
        raise ToolError("That is too large to work out.") from None
    except SyntaxError as error:
        raise ToolError(f"{expression!r} is not an expression: {error.msg}.") from None
    except Exception as error:  # the evaluator's own kinds, and those of the functions
        raise ToolError(f"{expression!r} cannot be worked out: {error}.") from None
    if isinstance(result, bool) or not isinstance(result, int | float):
        raise ToolError(f"{expression!r} is not a number.")
    return {"expression": expression, "result": _readable(result)}


def _readable(result: int | float) -> int | float | str:
    if isinstance(result, int):
        return result if abs(result) < 2**53 else str(_bounded(result))
    if not math.isfinite(result):
        raise ToolError("The result is not a finite number.")
    return float(f"{result:.12g}")  # 0.1 + 0.2 is 0.3


def _bounded(number: Any) -> Any:
    if isinstance(number, int) and number.bit_length() > MAX_BITS:
        raise OverflowError
    return number


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let an operator or a function take and return numbers of bounded size only."""

    def bounded(*values: Any) -> Any:
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ToolError("There may be nothing but numbers in it.")
            _bounded(value)
        return _bounded(function(*values))

    return bounded


def _power(base: float, exponent: float) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > MAX_BITS:
        raise OverflowError
    result = base**exponent
    if isinstance(result, complex):
        raise ToolError("The result is not a real number.")
    return result


def _small(function: Callable[..., int], largest: int) -> Callable[..., int]:
    """Keep a function that grows without end in its bounds."""

    def checked(*values: int) -> int:
        if any(value > largest for value in values):
            raise OverflowError
        return function(*values)

    return checked


def _log(value: float, base: float = math.e) -> float:
    return math.log(value) if base == math.e else math.log(value, base)


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": math.sqrt,
    "cbrt": math.cbrt,
    "exp": math.exp,
    "log": _log,
    "ln": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "degrees": math.degrees,
    "radians": math.radians,
    "factorial": _small(math.factorial, 400),
    "comb": _small(math.comb, 1_000),
    "perm": _small(math.perm, 400),
    "gcd": math.gcd,
    "lcm": math.lcm,
    "abs": abs,
    "round": lambda value, digits=0: round(value, int(digits)) if digits else round(value),
    "floor": math.floor,
    "ceil": math.ceil,
    "min": min,
    "max": max,
    "sum": lambda *values: sum(values),
    "mean": lambda *values: statistics.fmean(values),
    "median": lambda *values: statistics.median(values),
    "stdev": lambda *values: statistics.stdev(values),
}


def _evaluator() -> Any:
    from simpleeval import SimpleEval

    return SimpleEval(
        operators={kind: _of_numbers(function) for kind, function in _OPERATORS.items()},
        functions={name: _of_numbers(function) for name, function in _FUNCTIONS.items()},
        names={"pi": math.pi, "e": math.e, "tau": math.tau},
    )
