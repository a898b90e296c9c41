from __future__ import annotations
import time
from ..conftest import Noted, Sink

async def test_events_come_in_order(rig):
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
    t=time.time()
    for n in range(20):
        await rig.publish(Noted(n=2 * n), Noted(n=2 * n + 1))
    print(time.time()-t)
    assert sorted(await sink.until(40)) == list(range(40))
    print(time.time()-t)
    t=time.time()
    await rig.publish(Noted(n=41))
    await sink.until(41)
    print(time.time()-t)
