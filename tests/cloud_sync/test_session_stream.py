from edge_clients import Cloud

from link.acknowledgement import is_acknowledgement
from link.contents import LogLine
from link.handshake import Channel
from link.message import new_message
from link.rows import keepalive, log_lines


async def test_the_last_log_lines_of_a_node_are_kept_and_every_frame_is_acknowledged(cloud: Cloud) -> None:
    async with cloud.edge(channel=Channel.STREAM) as edge:
        lines = [LogLine(number, "INFO", "hub", f"line {number}") for number in range(1_500)]
        first, second = log_lines(lines[:700]), log_lines(lines[700:])
        for message in (first, second):
            await edge.send(message)
            answer = await edge.receive()
            assert is_acknowledgement(answer)
            assert answer.header.parent_msg_id == message.header.msg_id
    assert cloud.server.logs.last("edge-7") == lines[500:]


async def test_what_is_no_log_is_acknowledged_and_passed_over(cloud: Cloud) -> None:
    async with cloud.edge(channel=Channel.STREAM) as edge:
        for message in (keepalive(), new_message("edgestream", "stream", "upload", "log", [{"time": "x"}])):
            await edge.send(message)
            assert (await edge.receive()).header.parent_msg_id == message.header.msg_id
        [link] = cloud.links()
        assert link.refused == 1
    assert cloud.server.logs.last("edge-7") == []
