"""Where a request goes: every situation as a line of a table."""

import pytest

from snapboot_devkit.host.scaling.placing import (
    LAST_RESORT_S,
    SETTLE_S,
    Condition,
    Grow,
    PlacingRequest,
    RefuseRequest,
    Use,
    Wait,
    place,
)

FREE = Condition(capacity=1, warm=True, idle=True, used_at=10.0)
FREE_LATER = Condition(capacity=1, warm=True, idle=True, used_at=20.0)
FREE_COLD = Condition(capacity=1, idle=True, used_at=30.0)
BUSY = Condition(warm=True, used_at=40.0)
SETTLING = Condition(warm=True, settling=True, used_at=50.0)
RESETTING = Condition(idle=True, settling=True, used_at=50.0)
PROVISIONED = Condition(capacity=1, warm=True, used_at=5.0)
SHARED = Condition(capacity=3, warm=True, used_at=60.0)
OF_BLUE = Condition("blue", capacity=1, warm=True, idle=True, used_at=70.0)

NEW = PlacingRequest()
PATIENT = PlacingRequest(waited_s=SETTLE_S)
EXHAUSTED = PlacingRequest(waited_s=LAST_RESORT_S)
SECOND = PlacingRequest(ahead=1)


@pytest.mark.parametrize(
    ("environments", "limit", "request_", "placing"),
    [
        pytest.param([], 1, NEW, Grow(), id="the first request starts an environment"),
        pytest.param([FREE], 1, NEW, Use(0), id="a free environment is used again"),
        pytest.param([FREE, FREE_LATER], 2, NEW, Use(1), id="the last that was at work is taken"),
        pytest.param([FREE_COLD, FREE], 2, NEW, Use(1), id="a warm one goes before a cold one"),
        pytest.param([FREE_COLD], 2, NEW, Use(0), id="one that is to be initialised anyway serves"),
        pytest.param([BUSY], 2, NEW, Grow(), id="when all are busy there is one more"),
        pytest.param(
            [BUSY], 1, NEW, RefuseRequest(), id="at the limit a request is refused at once"
        ),
        pytest.param([SHARED], 1, NEW, Use(0), id="one that takes several events takes another"),
        pytest.param([SETTLING], 2, NEW, Wait(SETTLE_S), id="one that settles is waited for"),
        pytest.param([SETTLING], 2, PATIENT, Grow(), id="but not for ever"),
        pytest.param(
            [SETTLING], 2, PlacingRequest(waited_s=0.2), Wait(SETTLE_S - 0.2), id="the wait goes on"
        ),
        pytest.param([SETTLING], 2, SECOND, Grow(), id="one that settles serves one who waits"),
        pytest.param([SETTLING] * 2, 3, SECOND, Wait(SETTLE_S), id="two that settle serve two"),
        pytest.param(
            [SETTLING], 1, SECOND, RefuseRequest(), id="the second is refused at the limit"
        ),
        pytest.param(
            [RESETTING],
            1,
            PATIENT,
            Wait(LAST_RESORT_S - SETTLE_S),
            id="at the limit a reset is waited for",
        ),
        pytest.param([RESETTING], 1, EXHAUSTED, RefuseRequest(), id="which ends, too"),
        pytest.param([OF_BLUE], 2, NEW, Grow(), id="a tenant's environment is not another's"),
        pytest.param(
            [FREE, OF_BLUE], 2, PlacingRequest("blue"), Use(1), id="a tenant gets its own"
        ),
        pytest.param(
            [FREE, OF_BLUE],
            2,
            PlacingRequest("red"),
            Grow(retire=0),
            id="the longest idle makes room",
        ),
        pytest.param(
            [PROVISIONED, BUSY],
            2,
            PlacingRequest("red"),
            RefuseRequest(),
            id="a provisioned one stays",
        ),
    ],
)
def test_where_a_request_goes(environments, limit, request_, placing):
    assert place(environments, limit, request_) == placing
