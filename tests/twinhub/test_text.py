import pytest
from hypothesis import given, strategies

from twinhub.text import age, columns, printable, width


def test_columns_are_aligned_whatever_the_script() -> None:
    lines = columns(("NAME", "VALUE"), [("温度", "5"), ("pump", "1450")], right=("VALUE",))
    assert lines == ["NAME  VALUE", "温度      5", "pump   1450"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-3, "0.0 s"), (0.44, "0.4 s"), (12.2, "12 s"), (300, "5 min"), (10_800, "3 h"), (259_200, "3 d")],
)
def test_age_in_the_largest_fitting_unit(seconds: float, shown: str) -> None:
    assert age(seconds) == shown


@given(strategies.text())
def test_text_from_outside_cannot_command_the_terminal(text: str) -> None:
    shown = printable(text, longest=20)
    assert shown.isprintable()
    assert len(shown) <= 20


@given(strategies.lists(strategies.tuples(strategies.text(), strategies.text()), max_size=5))
def test_every_row_is_one_line_no_wider_than_its_cells(rows: list[tuple[str, str]]) -> None:
    lines = columns(("A", "B"), rows)
    assert len(lines) == len(rows) + 1
    assert all(width(line) <= 2 * 120 + 2 for line in lines)
