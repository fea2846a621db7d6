"""What is special about these instruments; what every mapper must stand is in test_conformance."""

from mappers.testing.rig import NUMBER, SETTING
from mappers.testing.running import running

from twinhub_acme.rig import RIG, AcmeStand


async def test_the_instrument_may_say_that_it_has_no_number() -> None:
    async with RIG.stands(1) as [stand], running("acme", [stand.device]) as side:
        assert isinstance(stand, AcmeStand)
        await side.until(lambda: side.value(stand.device.id, NUMBER) == "21.5")
        del stand.simulator.values["temperature"]
        await side.until(lambda: side.quality(stand.device.id, NUMBER) == "bad")
        last = side.last(stand.device.id, NUMBER)
        assert last is not None
        assert last.reason == "the instrument says unknown"
        assert side.quality(stand.device.id, SETTING) == "good"
