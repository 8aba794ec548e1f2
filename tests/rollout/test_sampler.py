"""Think once, cut at each budget, answer at each cut: stories told by hand, then the definition written slowly."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from char_codec import CODEC, END, EOS, PROMPT, SHUT, TASK, by_seed, ids, sample, teller
from hypothesis import given
from hypothesis import strategies as st

from rollout.engine import Completion, Draw, Ended
from rollout.prompts import PromptFormat
from rollout.sampler import Sampler, seed_of
from rollout.scripted_engine import LOGPROB, ScriptedEngine
from rollout.types import Answer, BudgetPrior, Finish, VersionSpan

CUED = PromptFormat(closing="!</think>", cue="A:")
OWN = seed_of(0, "t", 0, 1.0)
"""The seed of the first task's thoughts: run seed, task, pass over the data, effort."""


def fork_seed(rollout, cut):
    """The seed of the first answer at a cut of so many tokens."""
    return seed_of(seed_of(OWN, rollout), cut)


def rollout_of(script, budgets, **options):
    (group,), engine = sample(script, budgets, **options)
    (rollout,) = group.rollouts
    return rollout, engine.draws


def span(length):
    return (VersionSpan(3, 0, length),) if length else ()


def spoken(token_ids):
    return CODEC.decode(list(token_ids), skip_special_tokens=False)


# one budget, one answer: one request where the thought closes itself


def test_a_thought_that_closes_itself_is_answered_in_the_same_request():
    rollout, draws = rollout_of(teller("ab</think>4"), [8])
    assert rollout.prompt_ids == PROMPT
    assert (rollout.token_ids, rollout.finish) == (ids("ab</think>"), Finish.CLOSED)
    assert (rollout.logprobs, rollout.versions) == ((LOGPROB,) * 3, span(3))
    assert rollout.answers == (
        (
            Answer(
                budget=8,
                prefix_len=3,
                forced_ids=(),
                token_ids=(*ids("4"), EOS),
                logprobs=(LOGPROB,) * 2,
                text="4",
                finish=Finish.STOP,
                thought="ab",
                versions=span(2),
            ),
        ),
    )
    assert draws == [Draw(PROMPT, 1, 8, OWN)]


def test_a_thought_at_its_budget_is_closed_by_force():
    rollout, draws = rollout_of(teller("abcdef</think>no", forced="4"), [4])
    assert (rollout.token_ids, rollout.finish) == (ids("abcd"), Finish.BUDGET)
    assert rollout.answers == (
        (
            Answer(
                budget=4,
                prefix_len=4,
                forced_ids=(END,),
                token_ids=(*ids("4"), EOS),
                logprobs=(LOGPROB,) * 2,
                text="4",
                finish=Finish.STOP,
                thought="abcd",
                versions=span(2),
            ),
        ),
    )
    assert draws[1:] == [Draw((*PROMPT, *ids("abcd"), END), 1, 8, fork_seed(0, 4))]


def test_a_marker_that_is_the_budgets_last_token_closes_the_thought():
    rollout, draws = rollout_of(teller("abc</think>4"), [4])
    (answer,) = rollout.answers[0]
    assert (rollout.token_ids, rollout.finish) == (ids("abc</think>"), Finish.CLOSED)
    assert (answer.prefix_len, answer.forced_ids, answer.token_ids) == (4, (), (*ids("4"), EOS))
    assert [draw.prompt_ids for draw in draws] == [PROMPT, (*PROMPT, *ids("abc</think>"))]


def test_a_marker_one_token_too_late_does_not():
    rollout, _ = rollout_of(teller("abcd</think>4", forced="5"), [4], style=SHUT)
    (answer,) = rollout.answers[0]
    assert (rollout.finish, answer.forced_ids, answer.text) == (Finish.BUDGET, ids(SHUT.closing), "5")


@pytest.mark.parametrize("budget", [3, 8])
@pytest.mark.parametrize("answers", [1, 2])
def test_an_end_of_sequence_inside_the_thought_leaves_no_answer(budget, answers):
    rollout, draws = rollout_of(teller("ab<eos>"), [budget], answers=answers)
    assert (rollout.token_ids, rollout.finish) == ((*ids("ab"), EOS), Finish.EMPTY)
    assert rollout.answers == ((Answer(budget, 3, (), (), (), "", Finish.EMPTY, "ab"),) * answers,)
    assert len(draws) == 1


def test_a_thought_that_is_nothing_but_the_end():
    rollout, _ = rollout_of(teller("<eos>"), [8])
    assert (rollout.token_ids, rollout.finish) == ((EOS,), Finish.EMPTY)
    rollout, _ = rollout_of(teller("</think>4"), [8])
    (answer,) = rollout.answers[0]
    assert (rollout.token_ids, rollout.finish, answer.text, answer.thought) == ((END,), Finish.CLOSED, "4", "")


class TwoEnds:
    """An engine that also knows an end of sequence which nobody named: vLLM stops at every one of a model's own."""

    async def sample(self, draw):
        return [Completion(ids("ab#"), (-0.5,) * 3, Ended.STOP, ())] * draw.n


@pytest.mark.parametrize("answers", [1, 2])
def test_a_stop_inside_the_thought_is_no_exhausted_budget(answers):
    sampler = Sampler(TwoEnds(), CODEC, PromptFormat(), 8)
    prior = BudgetPrior((8,), (1.0,), answers=answers)
    (group,) = asyncio.run(sampler.groups([TASK], [prior], size=1, seed=0))
    assert group.rollouts[0].finish == Finish.EMPTY
    assert [answer.finish for answer in group.rollouts[0].answers[0]] == [Finish.EMPTY] * answers


def test_an_answer_ends_with_its_own_allowance():
    rollout, draws = rollout_of(teller("abcdef", forced="123456"), [4], answer_tokens=3)
    (answer,) = rollout.answers[0]
    assert (answer.token_ids, answer.text, answer.finish) == (ids("123"), "123", Finish.LENGTH)
    assert draws[-1].max_tokens == 3


@pytest.mark.parametrize(
    ("story", "finish"), [("a</think>1234<eos>", Finish.LENGTH), ("a</think>12<eos>", Finish.STOP)]
)
def test_also_when_it_came_with_the_thought(story, finish):
    """Of the budget of 20 the thought took 2, but the answer may have 3 all the same."""
    rollout, draws = rollout_of(teller(story), [20], answer_tokens=3)
    (answer,) = rollout.answers[0]
    assert (answer.token_ids, answer.finish) == (ids(story)[2:5], finish)
    assert answer.versions == span(3)
    assert answer.logprobs == (LOGPROB,) * 3
    assert len(draws) == 1


def test_an_answer_in_mid_budget_is_continued_with_what_is_left_of_its_allowance():
    """A budget of 5: thought `ab</think>`, then two tokens of the answer before the request ends."""
    rollout, draws = rollout_of(teller("ab</think>123456"), [5], answer_tokens=4)
    (answer,) = rollout.answers[0]
    assert (answer.token_ids, answer.finish, answer.forced_ids) == (ids("1234"), Finish.LENGTH, ())
    assert answer.versions == (VersionSpan(3, 0, 2), VersionSpan(3, 2, 4))
    assert draws[1] == Draw((*PROMPT, *ids("ab</think>12")), 1, 2, fork_seed(0, 3))


def test_an_allowance_that_the_first_request_just_filled_is_not_continued():
    rollout, draws = rollout_of(teller("ab</think>123456"), [5], answer_tokens=2)
    (answer,) = rollout.answers[0]
    assert (answer.token_ids, answer.finish) == (ids("12"), Finish.LENGTH)
    assert len(draws) == 1


def test_a_second_marker_belongs_to_the_answer():
    rollout, _ = rollout_of(teller("a</think>b</think>c"), [8])
    (answer,) = rollout.answers[0]
    assert (rollout.token_ids, answer.token_ids) == (ids("a</think>"), (*ids("b</think>c"), EOS))


# the cue


def test_the_cue_follows_every_closed_thought_and_is_part_of_the_text():
    rollout, draws = rollout_of(teller("ab</think>", forced="4"), [8], style=CUED)
    (answer,) = rollout.answers[0]
    assert (rollout.finish, answer.forced_ids, answer.prefix_len) == (Finish.CLOSED, ids("A:"), 3)
    assert (answer.text, answer.token_ids) == ("A:4", (*ids("4"), EOS))
    assert [spoken(draw.prompt_ids[len(PROMPT) :]) for draw in draws] == ["", "ab</think>A:"]


def test_closing_and_cue_are_both_forced_at_the_budget():
    rollout, draws = rollout_of(teller("abcdef", forced="4"), [4], style=CUED)
    (answer,) = rollout.answers[0]
    assert (rollout.finish, answer.forced_ids) == (Finish.BUDGET, ids("!</think>A:"))
    assert (answer.text, answer.thought, answer.token_ids) == ("A:4", "abcd", (*ids("4"), EOS))
    assert spoken(draws[1].prompt_ids[len(PROMPT) :]) == "abcd!</think>A:"


# several budgets, several answers


def test_three_budgets_with_two_answers_each():
    """Budgets 2, 5 and 9 of a thought that closes itself with its fifth token."""
    rollout, draws = rollout_of(by_seed, [2, 5, 9], answers=2, answer_tokens=6)
    assert (rollout.token_ids, rollout.finish) == (ids("abcd</think>"), Finish.CLOSED)
    facts = [[(a.budget, a.prefix_len, a.forced_ids, a.thought) for a in at] for at in rollout.answers]
    assert facts == [
        [(2, 2, (END,), "ab")] * 2,
        [(5, 5, (), "abcd")] * 2,  # ended by itself within the budget: both share the natural end
        [(9, 5, (), "abcd")] * 2,
    ]
    first, end = fork_seed(0, 2), fork_seed(0, 5)
    seeds_SA = [[first, first + 1], [end, end + 1], [end + 2, end + 3]]  # four answers at the natural end
    said_SA = [[(100 + seed % 100_000, EOS) for seed in seeds] for seeds in seeds_SA]
    assert [[answer.token_ids for answer in at] for at in rollout.answers] == said_SA
    assert draws[0] == Draw(PROMPT, 1, 9, OWN, (END,))
    assert sorted((d.prompt_ids[len(PROMPT) :], d.n, d.max_tokens, d.stop_ids) for d in draws[1:]) == sorted(
        [(ids("ab</think>"), 1, 6, ())] * 2 + [(ids("abcd</think>"), 1, 6, ())] * 4
    )


def test_each_effort_is_asked_of_an_equal_part_of_the_group_in_order():
    style = PromptFormat(template="{prompt} {effort}")
    (group,), engine = sample(by_seed, [8], size=4, efforts=(0.25, 1.0), style=style)
    assert [spoken(rollout.prompt_ids).count("0.25") for rollout in group.rollouts] == [1, 1, 0, 0]
    assert [spoken(rollout.prompt_ids).count("1.00") for rollout in group.rollouts] == [0, 0, 1, 1]
    assert [group.effort(g) for g in range(4)] == [0.25, 0.25, 1.0, 1.0]
    assert [draw.seed for draw in engine.draws if draw.n == 2] == [seed_of(0, "t", 0, effort) for effort in (0.25, 1.0)]
    with pytest.raises(ValueError, match="a group of 3 cannot be divided evenly among 2 efforts"):
        sample(by_seed, [8], size=3, efforts=(0.25, 1.0))


def test_the_prompt_names_the_target_and_not_the_cap():
    engine = ScriptedEngine(by_seed, EOS)
    sampler = Sampler(engine, CODEC, PromptFormat(template="{prompt} in {budget}"), 8)
    asyncio.run(sampler.groups([TASK], [BudgetPrior((9,), (1.0,), target=4)], size=1, seed=0))
    assert "in 4" in spoken(engine.draws[0].prompt_ids)
    assert engine.draws[0].max_tokens == 9


def test_a_second_pass_over_the_data_samples_anew():
    (first,), _ = sample(by_seed, [2], tasks=[TASK])
    (second,), _ = sample(by_seed, [2], tasks=[replace(TASK, epoch=1)])
    assert first.rollouts[0].answers[0][0].token_ids != second.rollouts[0].answers[0][0].token_ids


def test_what_is_sampled_beyond_the_allowance_is_discarded_and_counted():
    """The thought takes 2 of the budget of 20, the story 7 more, of which the answer may have 3."""
    rollout, _ = rollout_of(teller("a</think>123456"), [20], answer_tokens=3)
    assert (len(rollout.answers[0][0].token_ids), rollout.discarded, rollout.recomputed) == (3, 4, 0)


def test_what_the_cache_does_not_have_is_recomputed():
    """Forks at 2 and at the end (5): an engine without a cache reads prompt and thought again for each answer."""
    rollout, _ = rollout_of(by_seed, [2, 5, 9], answers=2)
    assert rollout.recomputed == 2 * (len(PROMPT) + 2) + 4 * (len(PROMPT) + 5)
    assert rollout.discarded == 0


def test_budgets_below_an_empty_end_are_still_answered():
    rollout, _ = rollout_of(teller("abcd<eos>", forced="4"), [2, 4, 5, 9])
    assert rollout.finish == Finish.EMPTY
    facts = [(a.budget, a.prefix_len, a.finish, a.text) for (a,) in rollout.answers]
    stop, empty = Finish.STOP, Finish.EMPTY
    assert facts == [(2, 2, stop, "4"), (4, 4, stop, "4"), (5, 5, empty, ""), (9, 5, empty, "")]


def test_the_largest_budget_cuts_a_thought_without_an_end():
    rollout, _ = rollout_of(teller("abcdefgh", forced="4"), [2, 4, 6])
    assert (rollout.token_ids, rollout.finish) == (ids("abcdef"), Finish.BUDGET)
    assert [(a.prefix_len, a.forced_ids) for (a,) in rollout.answers] == [(2, (END,)), (4, (END,)), (6, (END,))]


STORY = st.text(alphabet="ab|#", max_size=12).map(lambda text: text.replace("|", "</think>").replace("#", "<eos>"))


def slowly(story, forced, budget, largest, answer_tokens):
    """Thought, prefix, forced tokens, answer and how it ended, token by token from the definition."""
    said, thought = [*ids(story), EOS], []
    while said and len(thought) < largest:
        thought.append(said.pop(0))
        if thought[-1] in (END, EOS):
            break
    ended_within = len(thought) <= budget and thought[-1] in (END, EOS)
    prefix = thought if ended_within else thought[:budget]
    if ended_within and thought[-1] == EOS:
        return tuple(thought), len(prefix), (), (), Finish.EMPTY
    closing = () if ended_within else ids(SHUT.closing)
    rest = said if ended_within else [*ids(forced), EOS]
    answer = []
    while rest and len(answer) < answer_tokens:
        answer.append(rest.pop(0))
        if answer[-1] == EOS:
            return tuple(thought), len(prefix), closing, tuple(answer), Finish.STOP
    return tuple(thought), len(prefix), closing, tuple(answer), Finish.LENGTH


@given(STORY, st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True), st.integers(1, 8), st.integers(1, 2))
def test_every_cut_is_what_the_definition_says(story, budgets, answer_tokens, answers):
    budgets = sorted(budgets)
    rollout, _ = rollout_of(teller(story), budgets, answer_tokens=answer_tokens, answers=answers, style=SHUT)
    for budget, at in zip(budgets, rollout.answers, strict=True):
        assert len(at) == answers
        for answer in at:
            found = (rollout.token_ids, answer.prefix_len, answer.forced_ids, answer.token_ids, answer.finish)
            assert found == slowly(story, "FORCED", budget, budgets[-1], answer_tokens)
            assert answer.budget == budget
            assert len(answer.logprobs) == len(answer.token_ids)
            assert [position for s in answer.versions for position in range(s.start, s.end)] == list(
                range(len(answer.token_ids))
            )


@given(STORY, st.integers(1, 12), st.integers(1, 8))
def test_one_request_and_two_give_the_same_tokens(story, budget, answer_tokens):
    """With A = 1 an answer comes in the thought's own request, with A = 2 in one of its own."""
    alone, _ = rollout_of(teller(story), [budget], answer_tokens=answer_tokens)
    apart, _ = rollout_of(teller(story), [budget], answer_tokens=answer_tokens, answers=2)

    def facts(rollout):
        answer = rollout.answers[0][0]
        tokens = (rollout.token_ids, rollout.logprobs, answer.forced_ids, answer.token_ids, answer.logprobs)
        return (*tokens, rollout.finish, answer.finish, answer.prefix_len, answer.text, answer.thought)

    assert facts(alone) == facts(apart)
