"""The environments of a function: shared out, waited for, renewed and retired."""

import asyncio

from snapboot_devkit.host.lifecycle.states import EnvironmentState
from tests.devkit.stand_ins import Caller, Function, event, played, soon

TOO_MANY = "ReservedFunctionConcurrentInvocationLimitExceeded"
HOST_IS_FULL = "ConcurrentInvocationLimitExceeded"


def asked(pool, tenant=""):
    caller = Caller()
    pool.invoke(event(tenant=tenant), caller)
    return caller


def test_one_request_after_the_other_meets_one_environment():
    async def scenario(pool, function):
        for _ in range(3):
            caller = asked(pool)
            await soon()
            function.environments[-1].serve()
            assert caller.got == ["done", "finished"]
        assert len(function.environments) == 1

    played(scenario)


def test_requests_at_the_same_time_meet_an_environment_each_and_one_too_many_is_refused():
    async def scenario(pool, function):
        callers = [asked(pool) for _ in range(3)]
        await soon()
        for one in function.environments:
            one.serve()
        assert [caller.got for caller in callers] == [["done", "finished"]] * 2 + [[TOO_MANY]]

    played(scenario, limit=2)


def test_a_client_that_is_quicker_than_the_runtime_waits_for_it_and_gets_no_cold_start():
    async def scenario(pool, function):
        asked(pool)
        await soon()
        one = function.environments[0]
        for _ in range(3):
            one.answer()
            quick = asked(pool)
            await soon()
            assert len(one.callers) == 1
            one.settle()
            await soon()
            assert one.callers == [quick]
        assert len(function.environments) == 1

    played(scenario)


def test_a_request_that_waits_is_handed_over_in_the_step_that_frees_its_environment():
    async def scenario(pool, function):
        asked(pool)
        await soon()
        one = function.environments[0]
        one.answer()
        quick = asked(pool)
        one.settle()
        assert one.callers == [quick]
        one.serve()
        assert quick.got == ["done", "finished"]

    played(scenario)


def test_at_the_limit_such_a_client_is_not_refused_either():
    async def scenario(pool, function):
        asked(pool)
        await soon()
        function.environments[0].answer()
        quick = asked(pool)
        await soon()
        assert quick.got == []
        function.environments[0].settle()
        await soon()
        function.environments[0].serve()
        assert quick.got == ["done", "finished"]

    played(scenario, limit=1)


def test_an_environment_that_takes_its_time_to_settle_is_not_waited_for_any_longer():
    async def scenario(pool, function):
        asked(pool)
        await soon()
        function.environments[0].answer()
        asked(pool)
        await function.until(lambda: len(function.environments) == 2)

    played(scenario)


def test_a_request_that_waits_gets_a_new_environment_when_the_old_one_dies():
    async def scenario(pool, function):
        asked(pool)
        await soon()
        function.environments[0].answer()
        waiting = asked(pool)
        function.environments[0].die()
        await soon()
        function.environments[1].serve()
        assert waiting.got == ["done", "finished"]
        assert function.environments[0].closed

    played(scenario, limit=1)


def test_an_environment_that_takes_several_events_gets_them():
    async def scenario(pool, function):
        callers = [asked(pool) for _ in range(7)]
        await soon()
        assert [len(one.callers) for one in function.environments] == [3, 3]
        assert callers[-1].got == [TOO_MANY]

    played(scenario, at_once=3)


def test_tenants_do_not_share_and_the_longest_idle_environment_makes_room():
    async def scenario(pool, function):
        for tenant in ("blue", "red", "blue", "green"):
            asked(pool, tenant)
            await soon()
            for one in function.environments:
                if one.callers:
                    one.serve()
        blue, red, green = function.environments
        assert red.closed
        assert not blue.closed
        assert not green.closed

    played(scenario, per_tenant=True)


def test_provisioned_environments_are_there_from_the_start_and_stay():
    async def scenario(pool, function):
        pool.provision()
        await soon()
        assert [one.state for one in function.environments] == [EnvironmentState.READY] * 2
        for _ in range(3):
            asked(pool)
        await soon()
        beyond = function.environments[2]
        assert [one.provisioned for one in function.environments] == [True, True, False]
        for one in function.environments:
            one.serve()
        await function.until(lambda: beyond.closed)
        assert [one.closed for one in function.environments] == [False, False, True]

    played(scenario, limit=3, provisioned=2, idle_s=0.01)


def test_an_init_ahead_of_any_request_serves_the_first_one():
    async def scenario(pool, function):
        pool.initialise()
        pool.initialise()
        caller = asked(pool)
        await soon()
        function.environments[0].serve()
        assert caller.got == ["done", "finished"]
        assert len(function.environments) == 1

    played(scenario)


def test_idle_environments_go_and_busy_ones_stay():
    async def scenario(pool, function):
        asked(pool), asked(pool)
        await soon()
        busy, idle = function.environments
        idle.serve()
        await function.until(lambda: idle.closed)
        assert not busy.closed
        assert len(pool) == 1

    played(scenario, idle_s=0.01)


def test_new_code_is_for_new_environments_and_nothing_at_work_is_disturbed():
    async def scenario(pool, old):
        running, idle = asked(pool), asked(pool)
        await soon()
        old.environments[1].serve()
        new = Function()
        pool.renew(new)
        fresh = asked(pool)
        await soon()
        assert old.environments[1].closed
        assert not old.environments[0].closed
        assert not old.closed
        new.environments[0].serve()
        old.environments[0].serve()
        assert running.got == idle.got == fresh.got == ["done", "finished"]
        await old.until(lambda: old.closed)
        assert not new.closed

    played(scenario)


def test_requests_that_wait_when_the_code_changes_meet_the_new_code():
    async def scenario(pool, old):
        asked(pool)
        await soon()
        old.environments[0].answer()
        waiting = asked(pool)
        new = Function()
        pool.renew(new)
        await soon()
        new.environments[0].serve()
        assert waiting.got == ["done", "finished"]
        old.environments[0].settle()

    played(scenario)


def test_an_environment_that_is_still_opened_when_the_code_changes_serves_its_request():
    async def scenario(pool, old):
        old.gate.clear()
        early = asked(pool)
        pool.renew(Function())
        old.gate.set()
        await soon()
        old.environments[0].serve()
        assert early.got == ["done", "finished"]

    played(scenario)


def test_an_environment_that_cannot_be_opened_refuses_its_request_and_the_next_one_is_tried_again():
    async def scenario(pool, function):
        function.broken = True
        refused = asked(pool)
        await soon()
        assert refused.got == [500]
        function.broken = False
        asked(pool)
        await soon()
        function.environments[1].serve()

    async def all_but_the_broken(pool, function):
        await scenario(pool, function)
        function.environments.pop(0)

    played(all_but_the_broken)


def test_a_host_without_room_refuses():
    async def scenario(pool, function):
        caller = asked(pool)
        assert caller.got == [HOST_IS_FULL]
        assert function.environments == []

    played(scenario, has_room=lambda: False)


def test_the_end_refuses_every_caller_without_an_answer():
    callers = []

    async def scenario(pool, function):
        callers.append(asked(pool))
        await soon()
        function.environments[0].answer()
        callers.append(asked(pool))
        function.environments[0].settle()
        await soon()
        function.environments[0].answer()
        callers.append(asked(pool))
        await pool.close()
        callers.append(asked(pool))

    played(scenario, limit=1)
    assert [caller.got for caller in callers] == [["done", "finished"], ["done"], [500], [500]]


def test_the_end_comes_while_an_environment_is_being_opened():
    callers = []

    async def scenario(pool, function):
        function.gate.clear()
        callers.append(asked(pool))
        asyncio.get_running_loop().call_soon(function.gate.set)

    played(scenario)
    assert callers[0].got == [500]
