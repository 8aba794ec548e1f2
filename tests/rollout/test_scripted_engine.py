"""The engine that ships for tests and dry runs does what the Engine protocol says."""

from __future__ import annotations

import asyncio

from rollout.engine import Completion, Draw, Ended
from rollout.scripted_engine import LOGPROB, ScriptedEngine
from rollout.types import VersionSpan

EOS = 0


def draw(script, request, version=0):
    engine = ScriptedEngine(script, EOS, version)
    return asyncio.run(engine.sample(request)), engine


def test_a_script_that_runs_out_ends_the_sequence():
    (completion,), engine = draw(lambda prompt, seed: (7, 8), Draw((5,), 1, 10, seed=0), version=4)
    assert completion == Completion((7, 8, EOS), (LOGPROB,) * 3, Ended.EOS, (VersionSpan(4, 0, 3),))
    assert engine.draws == [Draw((5,), 1, 10, 0)]


def test_max_tokens_cut_a_script():
    (completion,), _ = draw(lambda prompt, seed: (7, 8, 9), Draw((5,), 1, 2, seed=0))
    assert (completion.token_ids, completion.ended) == ((7, 8), Ended.LENGTH)
    (completion,), _ = draw(lambda prompt, seed: (7, 8), Draw((5,), 1, 2, seed=0))
    assert (completion.token_ids, completion.ended) == ((7, 8), Ended.LENGTH)  # the end would be the third


def test_a_stop_token_is_the_last_even_where_the_allowance_ends():
    for limit in (3, 2):
        (completion,), _ = draw(lambda prompt, seed: (7, 8, 9), Draw((5,), 1, limit, seed=0, stop_ids=(8,)))
        assert (completion.token_ids, completion.ended) == ((7, 8), Ended.STOP)


def test_an_end_of_sequence_in_the_script_counts_even_where_the_allowance_ends():
    (completion,), _ = draw(lambda prompt, seed: (7, EOS, 9), Draw((5,), 1, 2, seed=0))
    assert (completion.token_ids, completion.ended) == ((7, EOS), Ended.EOS)


def test_each_continuation_has_the_prompt_and_a_seed_of_its_own():
    completions, _ = draw(lambda prompt, seed: (*prompt, seed), Draw((5, 6), 3, 3, seed=40))
    assert [completion.token_ids for completion in completions] == [(5, 6, 40), (5, 6, 41), (5, 6, 42)]


def test_nothing_sampled_has_no_span():
    (completion,), _ = draw(lambda prompt, seed: (7,), Draw((5,), 1, 0, seed=0))
    assert completion == Completion((), (), Ended.LENGTH, ())
