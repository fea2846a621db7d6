from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from mappers.modbus.plan import MOST, Block, Forbidden, Limits, Span, Table, plan

TABLES = st.sampled_from(get_args(Table))
FORBIDDEN = st.builds(
    lambda table, first, length: Forbidden(table, first, first + length),
    TABLES,
    st.integers(0, 400),
    st.integers(0, 20),
)
LIMITS = st.builds(
    Limits, st.integers(0, 200), st.none() | st.integers(4, 125), st.lists(FORBIDDEN, max_size=4).map(tuple)
)


def spans(draw_from: list[tuple[Table, int, int]], limits: Limits) -> list[Span[int]]:
    """The spans that the plan may get: allowed and small enough."""
    made = [Span(table, address, count, key) for key, (table, address, count) in enumerate(draw_from)]
    return [span for span in made if not limits.forbids(span.table, span.address, span.end)]


@given(st.lists(st.tuples(TABLES, st.integers(0, 500), st.integers(1, 4)), max_size=60), LIMITS)
def test_every_span_is_read_exactly_once_within_all_limits(
    drawn: list[tuple[Table, int, int]], limits: Limits
) -> None:
    wanted = spans(drawn, limits)
    blocks = plan(wanted, limits)
    assert sorted(span.key for block in blocks for span in block.spans) == sorted(span.key for span in wanted)
    for block in blocks:
        check(block, limits)


@given(st.lists(st.tuples(TABLES, st.integers(0, 300), st.integers(1, 4)), min_size=1, max_size=40))
def test_halving_ends_at_single_spans_and_keeps_all(drawn: list[tuple[Table, int, int]]) -> None:
    blocks = plan(spans(drawn, Limits()), Limits())
    todo, single = list(blocks), 0
    while todo:
        block = todo.pop()
        halves = block.halves()
        todo += halves
        single += not halves
        if halves:
            assert tuple(span for half in halves for span in half.spans) == block.spans
    assert single == len(drawn)


def check(block: Block[int], limits: Limits) -> None:
    assert 1 <= block.count <= min(MOST[block.table], limits.most(block.table))
    assert not limits.forbids(block.table, block.address, block.address + block.count)
    end = block.address
    for span in block.spans:
        assert span.table == block.table
        assert block.address <= span.address
        assert span.end <= block.address + block.count
        assert span.address - end <= limits.gap(block.table)
        end = max(end, span.end)


def test_thirty_registers_are_one_request() -> None:
    assert len(plan([Span("holding", address, 1, address) for address in range(30)], Limits())) == 1


def test_the_protocol_maximum_is_not_passed_by_a_wide_value_at_the_edge() -> None:
    blocks = plan(
        [*(Span("input", address, 1, address) for address in range(124)), Span("input", 124, 2, 0)], Limits()
    )
    assert [(block.address, block.count) for block in blocks] == [(0, 124), (124, 2)]


def test_a_hole_of_the_allowed_size_is_read_along_and_a_larger_one_is_not() -> None:
    def blocks(hole: int) -> int:
        return len(plan([Span("holding", 0, 2, 0), Span("holding", 2 + hole, 1, 1)], Limits(max_gap=3)))

    assert (blocks(3), blocks(4)) == (1, 2)


def test_a_forbidden_hole_splits_however_small() -> None:
    limits = Limits(max_gap=10, forbidden=(Forbidden("holding", 1, 1),))
    assert len(plan([Span("holding", 0, 1, 0), Span("holding", 2, 1, 1)], limits)) == 2
    assert len(plan([Span("input", 0, 1, 0), Span("input", 2, 1, 1)], limits)) == 1


def test_the_room_ends_at_what_is_forbidden_at_the_largest_block_and_at_the_end() -> None:
    limits = Limits(max_block=50, forbidden=(Forbidden("holding", 10, 20),))
    assert limits.room("holding", 3) == 7
    assert limits.room("holding", 21) == 50
    assert limits.room("input", 3) == 50
    assert limits.room("holding", 65535) == 1
