"""The reference decoder against plain transformers, and each kind of steering in it."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
import torch
from transformers import GenerationConfig

from rl.tiny import build_model, build_tokenizer
from rollout.engine import Draw, Ended
from rollout.logit_waves import LogitWave
from rollout.prompts import PromptFormat
from rollout.reference.engine import ReferenceEngine, ReferenceSettings, sampled_spans
from rollout.reference.gamma import guided
from rollout.reference.predictor import Predictor, PredictorShape
from rollout.reference.steps import Choice, Dice, PlainSteps, Seen
from rollout.reference.switched import SwitchedSteps, entropy, mixed, plain_tokens
from rollout.reference_steering import Gates, Guidance, Switching, SwitchRules
from rollout.sampler import Sampler
from rollout.strategies.by_reference import Switched
from rollout.types import Finish, Task, VersionSpan

PROMPT = (7, 17, 7, 18, 10, 19, 3)
EOS, THINK, END, NEWLINE = 1, 3, 4, 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference")
    tokenizer = build_tokenizer()
    build_model(tokenizer, context=256, tie_embeddings=True, seed=0).save_pretrained(path)
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    predictor = Predictor(PredictorShape(128, len(tokenizer), width=32, blocks=1, heads=2))
    with torch.no_grad():  # as a trained one would be: rates above the gate, shapes that differ
        predictor.rate_head.weight.mul_(0).add_(12 / 32)
        predictor.shape_head.weight.mul_(200)
    predictor.save(path / "predictor")
    return path


@pytest.fixture(scope="module")
def engine(folder):
    return ReferenceEngine(ReferenceSettings(str(folder)))


def draw(engine, **changes):
    asked = {"prompt_ids": PROMPT, "n": 1, "max_tokens": 40, "seed": 5} | changes
    return asyncio.run(engine.sample(Draw(**asked)))


def logits(engine, tokens, temperature=1.0):
    """What the model says before each sampled token, in one pass over the whole sequence."""
    with torch.no_grad():
        ids = torch.tensor([PROMPT + tokens])
        return engine.model(ids).logits[0, len(PROMPT) - 1 : -1] / temperature


def logprobs(table, tokens):
    return table.log_softmax(-1).gather(-1, torch.tensor(tokens)[:, None])[:, 0].tolist()


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_sampled_tokens_have_the_log_probabilities_of_a_full_pass(folder, temperature):
    engine = ReferenceEngine(ReferenceSettings(str(folder), temperature=temperature))
    for one in draw(engine, n=6):
        table = logits(engine, one.token_ids, temperature)
        assert one.logprobs == pytest.approx(logprobs(table, one.token_ids), abs=1e-5)
        assert one.versions == (VersionSpan(0, 0, len(one.token_ids)),)
        assert one.ended is (Ended.EOS if one.token_ids[-1] == EOS else Ended.LENGTH)


def test_greedy_tokens_are_those_of_transformers(folder):
    engine = ReferenceEngine(ReferenceSettings(str(folder), temperature=0))
    (one,) = draw(engine)
    how = GenerationConfig(max_new_tokens=40, do_sample=False, eos_token_id=EOS, pad_token_id=0)
    ids = torch.tensor([PROMPT])
    whole = engine.model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=how)
    assert one.token_ids == tuple(whole[0, len(PROMPT) :].tolist())


def test_a_draw_depends_on_nothing_but_itself(engine):
    first = draw(engine, n=3)
    draw(engine, seed=99)
    assert draw(engine, n=3) == first
    assert draw(engine, seed=6)[0] == first[1]


def test_a_stop_token_is_the_last_and_not_before_the_least_length(engine):
    (free,) = draw(engine)
    stop = free.token_ids[3]
    (stopped,) = draw(engine, stop_ids=(stop,))
    assert stopped.token_ids == free.token_ids[: free.token_ids.index(stop) + 1]
    assert stopped.ended is Ended.STOP
    (later,) = draw(engine, stop_ids=(stop,), min_tokens=20)
    assert not {stop, EOS} & set(later.token_ids[:20])


def dice(temperature=1.0, top_p=1.0, top_k=0):
    return Dice(temperature, top_p, top_k, torch.Generator().manual_seed(0))


def test_tokens_are_distributed_as_the_model_says():
    probs = torch.tensor([0.5, 0.25, 0.15, 0.1])
    once = dice()
    given = Counter(once.draw(probs.log()).token for _ in range(10_000))
    assert all(abs(given[v] / 10_000 - p) < 4.5 * (p * (1 - p) / 10_000) ** 0.5 for v, p in enumerate(probs.tolist()))


def test_the_likeliest_tokens_are_kept_up_to_a_number_or_a_mass():
    table = torch.tensor([0.1, 0.5, 0.05, 0.3, 0.05]).log()
    assert dice(top_k=2).logprobs(table).exp().tolist() == pytest.approx([0, 0.625, 0, 0.375, 0])
    assert dice(top_p=0.85).logprobs(table).exp().tolist() == pytest.approx([1 / 9, 5 / 9, 0, 3 / 9, 0])
    assert dice(top_p=0.4).logprobs(table).exp().tolist() == [0, 1, 0, 0, 0]
    assert dice(temperature=0.5).logprobs(table).exp()[1].item() == pytest.approx(0.25 / 0.355)
    assert dice(temperature=0).draw(table).token == 1


def test_inserted_tokens_have_no_version():
    choices = [Choice(1, -1.0), Choice(1, -1.0), Choice(2, None), Choice(3, -0.5), Choice(2, None)]
    assert sampled_spans(choices) == (VersionSpan(0, 0, 2), VersionSpan(0, 3, 4))
    assert sampled_spans([]) == ()


def test_a_wave_bends_the_logits_until_the_thought_ends(engine):
    wave = LogitWave((20, END), END, 5.0, 8.0, 0.1)
    ended = 0
    for one in draw(engine, n=8, steering=wave):
        table, tokens = logits(engine, one.token_ids), one.token_ids
        until = tokens.index(END) + 1 if END in tokens else len(tokens)
        ended += until < len(tokens)
        for t in range(until):
            table[t, [20, END]] += wave.at(t)
        assert one.logprobs == pytest.approx(logprobs(table, tokens), abs=1e-5)
    assert ended > 2


def test_guidance_reweighs_the_first_token_and_those_after_a_line_break(engine, folder):
    how = Guidance(str(folder / "predictor"), 30, END, Gates())
    predictor = engine._predictor(how.predictor)
    fired = 0
    for one in draw(engine, n=12, steering=how, max_tokens=60):
        tokens = one.token_ids
        with torch.no_grad():
            told = engine.model(torch.tensor([PROMPT + tokens]), output_hidden_states=True)
        for t, token in enumerate(tokens):
            place = len(PROMPT) - 1 + t
            probs = told.logits[0, place].softmax(-1)
            plain = float(probs[token].log())
            if END not in tokens[:t] and (t == 0 or tokens[t - 1] == NEWLINE):
                layers = torch.stack([layer[0, place] for layer in told.hidden_states])
                with torch.no_grad():
                    shape, rate = predictor(layers[None])
                probs = guided(probs, shape[0], rate[0], max(1, 30 - t), how.gates)
                fired += abs(plain - float(probs[token].log())) > 0.01
            assert one.logprobs[t] == pytest.approx(float(probs[token].log()), abs=1e-4)
    assert fired > 6


def rules(**changes):
    return SwitchRules(**({"dwell": 3, "horizon": 100} | changes))


def switching(limit=0, **changes):
    return Switching(rules(**changes), THINK, END, NEWLINE, (END, 40, 41), (42, END), limit)


def test_known_answers_of_soft_embeddings():
    probs, table = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    assert entropy(probs) == pytest.approx(1.039721, abs=5e-7)
    mean = probs @ table
    assert mean.tolist() == [0.75, 0.5]
    assert mixed(0.75, mean, torch.tensor([2.0, 2.0])).tolist() == [1.0625, 0.875]
    assert mixed(0.85, mean, torch.tensor([-1.0, 1.0])).tolist() == pytest.approx([0.4875, 0.575])


TABLE = torch.randn((60, 6), generator=torch.Generator().manual_seed(1))


def told(heat):
    """Logits whose entropy rises with `heat`; token 30 is the likeliest, and the markers are all but impossible."""
    table = torch.zeros(60)
    table[30] = 5 - heat
    table[[THINK, END, NEWLINE, EOS]] = -50
    return table


def play(steps, heats, greedy=True):
    seen, choices = [], []
    for heat in heats:
        choices.append(steps.step(Seen(seen, told(heat), None), dice(temperature=0 if greedy else 1)))
        seen = [*seen, choices[-1].token]
    return choices


def test_each_step_is_fed_what_its_mode_asks_for():
    heats = [1.0, 1.2, 0.9, 1.1, 1.3, 1.0, 1.4]
    choices = play(SwitchedSteps(switching(start=0.5), TABLE, frozenset()), heats)
    means = [told(heat).softmax(-1) @ TABLE for heat in heats]
    leave, start = 0.7 + 0.3 * 2 / 100, 0.5 + 0.5 * 5 / 100
    want = [
        mixed(0.9, means[0], TABLE[NEWLINE]),
        means[1],
        mixed(leave, means[2], TABLE[END]),
        None,
        None,
        mixed(start, means[5], TABLE[THINK]),
        means[6],
    ]
    for choice, vector in zip(choices, want, strict=True):
        assert (choice.fed is None) == (vector is None)
        assert vector is None or torch.allclose(choice.fed, vector, atol=1e-5)


def test_plain_tokens_are_fed_as_they_are_even_in_a_latent_stretch():
    choices = play(SwitchedSteps(switching(), TABLE, frozenset([30])), [1.0, 1.2, 0.9])
    assert [choice.fed is None for choice in choices] == [True, True, False]


SWITCH_EVERY_TWO = [1.0, 0.9, 1.1] + [0.8, 1.1] * 30


def test_after_half_of_the_switches_the_thought_is_closed_and_after_all_of_them_ended():
    steps = SwitchedSteps(switching(dwell=0, switches=4, last_tokens=5), TABLE, frozenset())
    choices = play(steps, SWITCH_EVERY_TWO)
    inserted = [i for i, choice in enumerate(choices) if choice.logprob is None]
    forced = [choices[i].token for i in inserted]
    assert forced == [END, END, END, END, 40, 41]  # switches 2, 3 and 4 converge, the 5th terminates
    last = next(i for i, choice in enumerate(choices) if choice.last)
    assert last - inserted[3] + 1 == 5
    assert all(choices[i].fed is None for i in inserted)


def test_a_thought_that_ends_itself_switches_no_more():
    steps = SwitchedSteps(switching(dwell=0), TABLE, frozenset())
    ended = steps.step(Seen([], told(1.0).index_fill(0, torch.tensor([END]), 90.0), None), dice(temperature=0))
    assert (ended.token, ended.fed) == (END, None)
    after = play(steps, SWITCH_EVERY_TWO)
    assert all(choice.logprob is not None and choice.fed is None for choice in after)


def test_an_open_thought_is_closed_at_its_limit():
    steps = SwitchedSteps(switching(limit=4), TABLE, frozenset())
    choices = play(steps, [1.0, 1.2, 1.1, 1.3, 0.5, 0.6, 0.2])
    assert [choice.token for choice in choices] == [30, 30, 30, 30, 42, END, 30]
    assert [choice.logprob is None for choice in choices] == [False] * 4 + [True] * 2 + [False]
    assert choices[6].fed is None


def test_numbers_letters_and_signs_are_plain():
    tokenizer = build_tokenizer()
    plain = plain_tokens(tokenizer, len(tokenizer))
    texts = {tokenizer.decode([token]) for token in plain}
    assert {"0", "9", "a", "Z", "+", "="} <= texts
    assert not {"</think>", "\n", " ", '"', "~"} & texts
    assert not {END, THINK, EOS} & plain


def test_a_sequence_with_soft_embeddings_is_what_the_model_makes_of_them(engine):
    """Recomputed without a cache: the vectors that were fed, read again from the start at every step."""
    how = switching(dwell=2, switches=8, last_tokens=6)
    table = engine.model.get_input_embeddings().weight
    (one,) = draw(engine, max_tokens=50, steering=how)
    steps = SwitchedSteps(how, table, engine._plain_tokens(len(table)))
    generator = torch.Generator().manual_seed(5)
    vectors, tokens, soft = table[list(PROMPT)], [], 0
    with torch.no_grad():
        while len(tokens) < len(one.token_ids):
            raw = engine.model(inputs_embeds=vectors[None]).logits[0, -1]
            choice = steps.step(Seen(tokens, raw, None), Dice(1.0, 1.0, 0, generator))
            soft += choice.fed is not None
            vectors = torch.cat([vectors, (table[choice.token] if choice.fed is None else choice.fed)[None]])
            tokens = [*tokens, choice.token]
    assert tuple(tokens) == one.token_ids
    assert soft > 3


def test_at_most_so_many_tokens_follow_a_termination(engine):
    """In this random model the entropy goes up and down all the time."""
    ends = 0
    for one in draw(engine, n=6, max_tokens=200, steering=switching(dwell=0, switches=1, last_tokens=9)):
        inserted = [i for i, token in enumerate(one.token_ids) if not covered(one.versions, i)]
        ends += one.ended is Ended.LENGTH and len(one.token_ids) < 200
        places = [i for i in inserted if i + 2 in inserted]
        assert all(one.token_ids[i : i + 3] == (END, 40, 41) and len(one.token_ids) <= i + 9 for i in places)
        assert all(b - a >= 1 for a, b in pairwise(inserted))
    assert ends > 2


def covered(spans, place):
    return any(span.start <= place < span.end for span in spans)


@pytest.mark.parametrize("budgets", [[3, 25]])
def test_the_strategy_answers_within_one_sequence(engine, budgets):
    sampler = Sampler(engine, build_tokenizer(), PromptFormat(closing="!</think>"), answer_tokens=6)
    strategy = Switched(dwell=4, switches=3)
    groups = asyncio.run(strategy.groups(sampler, Task("t", "1+2", "3"), budgets, 4, 1))
    assert [group.prior.tokens for group in groups] == [(3,), (25,)]
    finishes = Counter(rollout.finish for group in groups for rollout in group.rollouts)
    assert finishes[Finish.BUDGET] >= 3
    for group in groups:
        for rollout in group.rollouts:
            [[answer]] = rollout.answers
            assert len(rollout.token_ids) == answer.prefix_len <= group.prior.largest
            assert len(answer.token_ids) <= 6
            if rollout.finish is Finish.BUDGET:
                assert (answer.prefix_len, answer.forced_ids) == (group.prior.largest, (9, END))
            elif rollout.finish is Finish.CLOSED:
                assert (rollout.token_ids[-1], answer.forced_ids) == (END, ())


def test_the_strategy_refuses_a_cue():
    sampler = Sampler(None, build_tokenizer(), PromptFormat(cue="<answer>"), 6)  # pyright: ignore
    with pytest.raises(ValueError, match="no place for a cue"):
        asyncio.run(Switched().groups(sampler, Task("t", "1", "1"), [3], 1, 1))


def test_plain_steps_ask_for_no_hidden_states():
    assert not PlainSteps().needs_layers
