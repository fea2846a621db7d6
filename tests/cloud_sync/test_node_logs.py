from cloud_sync.node_logs import NodeLogs
from link.contents import LogLine


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(1, "INFO", "hub", text) for text in texts]


def test_the_last_lines_of_each_node_are_kept_in_order() -> None:
    logs = NodeLogs(lines=3)
    logs.add("a", lines("1", "2"))
    logs.add("b", lines("x"))
    logs.add("a", lines("3", "4"))
    assert [line.text for line in logs.last("a")] == ["2", "3", "4"]
    assert [line.text for line in logs.last("a", 2)] == ["3", "4"]
    assert [line.text for line in logs.last("a", 0)] == []
    assert [line.text for line in logs.last("a", 9)] == ["2", "3", "4"]
    assert [line.text for line in logs.last("b")] == ["x"]
    assert logs.last("c") == []


def test_neither_lines_nor_nodes_make_it_grow_without_bound() -> None:
    logs = NodeLogs(nodes=2, characters=10)
    logs.add("a", [LogLine(1, "L" * 1_000, "l" * 1_000, "t" * 1_000)])
    [line] = logs.last("a")
    assert (len(line.level), len(line.logger), len(line.text)) == (16, 128, 10)
    logs.add("b", lines("b"))
    logs.add("a", lines("again"))
    logs.add("c", lines("c"))
    assert [bool(logs.last(node)) for node in "abc"] == [True, False, True]
