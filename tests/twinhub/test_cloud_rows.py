from cloud_sync.api_forms import Condition, Device, Link, LostWish, Node, Reading, Twin
from twin.documents import MsgTwin, TwinValue, TypeMetadata, ValueMetadata
from twinhub.cloud_rows import device_table, node_table, reading_table, twin_lines

NOW = 1_786_000_000.0
MS = int(NOW * 1000)


def link(channel: str, queue: int = 0, oldest: float = 0.0) -> Link:
    return Link(channel, MS - 60_000, False, "10.0.0.7", 5, 5, 0, queue, oldest)


def test_a_node_shows_its_links_and_what_waits_for_it() -> None:
    links = [link("hub", 2, 7.0), link("bus", 1, 3.0)]
    nodes = [
        Node("press-shop", "connected", MS - 60_000, "10.0.0.7", False, 12, MS, links),
        Node("edge-7", "connected", MS - 60_000, "10.0.0.8", True, 1, MS, [link("hub")]),
        Node("new", "never", 0, "", False, 0, 0),
    ]
    header, press, edge, new = (line.split() for line in node_table(nodes, NOW))
    assert header == ["NODE", "STATE", "SINCE", "LINKS", "DEVICES", "WAITING", "ADDRESS"]
    assert " ".join(press) == "press-shop connected 60 s hub+bus 12 3 for 7.0 s 10.0.0.7"
    assert " ".join(edge) == "edge-7 connected 60 s hub (plain) 1 0 10.0.0.8"
    assert new == ["new", "never", "never", "0", "0"]


def test_a_device_shows_what_is_wrong_with_it_and_what_to_do() -> None:
    condition = Condition("ModelMissing", "there is no DeviceModel pump", "apply it")
    devices = [
        Device("default/pump", "press-shop", "", "pump", "online", MS - 5000),
        Device("default/lost", "press-shop", "press-shop", "pump", "", 0, [condition]),
    ]
    _, pump, lost, trouble = device_table(devices, NOW)
    assert pump.split() == ["default/pump", "press-shop", "pump", "here", "online", "5.0", "s"]
    assert lost.split() == [
        "default/lost",
        "press-shop",
        "pump",
        "at",
        "the",
        "edge",
        "unknown",
        "never",
        "ModelMissing",
    ]
    assert trouble == "default/lost: ModelMissing: there is no DeviceModel pump; apply it"


def test_a_twin_shows_wishes_that_are_open_and_wishes_that_are_lost() -> None:
    shown = MsgTwin(
        expected=TwinValue("1450"),
        actual=TwinValue("1200", ValueMetadata(MS - 3000)),
        metadata=TypeMetadata("int", "rpm"),
    )
    lost = LostWish("speed", "900", "1000", MS - 120_000)
    lines = list(twin_lines(Twin("default/pump", "press-shop", {"speed": shown}, MS, ["speed"], [lost]), NOW))
    assert lines[1].split() == ["speed", "1200", "rpm", "→", "1450", "good", "3.0", "s"]
    assert lines[2] == "not confirmed by press-shop yet: speed"
    assert lines[3] == "speed: 900, wished here, gave way to 1000, set at the edge (2 min ago)"


def test_readings_show_when_they_were_made_and_how_far_to_trust_them() -> None:
    table = reading_table([Reading(MS, 0, "good", "1200"), Reading(MS, 0, "bad", None, "no answer")])
    assert table[1].endswith("1200  good")
    assert table[2].endswith("-  bad: no answer")


def test_text_of_an_edge_cannot_command_the_terminal() -> None:
    nasty = "\x1b[2J\n"
    node = Node("n", "away", 0, nasty, False, 0, 0)
    condition = Condition("Invalid", nasty, nasty)
    device = Device("default/d", nasty, nasty, nasty, nasty, 0, [condition])
    twin = Twin("default/d", nasty, {nasty: MsgTwin()}, 0, [nasty], [LostWish(nasty, nasty, nasty, 0)], [condition])
    for line in [*node_table([node], NOW), *device_table([device], NOW), *twin_lines(twin, NOW)]:
        assert line.isprintable()
