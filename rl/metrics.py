"""What a step is summed up in: scored groups and phase times in, one flat row of numbers out (pure)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import isnan

from rewards.types import RewardResult, ScoredGroup, Status
from rl.ledger import sampled
from rl.types import Credit
from rollout.types import Answer, Finish, Rollout, WeightVersion


def mean(values: Sequence[float]) -> float:
    """The mean, and 0 over nothing: a row has every key at every step (`reward/excluded` is then 1)."""
    return sum(values) / len(values) if values else 0.0


def token_lag(rollouts: Sequence[Rollout], version: WeightVersion) -> float:
    """Optimizer steps between the weights that sampled a token and `version`: the mean over sampled tokens.

    A thought counts once, however many answers follow from cuts of it.
    """
    spans = [span for rollout in rollouts for span in rollout.versions]
    spans += [span for rollout in rollouts for answer in answers_of(rollout) for span in answer.versions]
    tokens = sum(span.end - span.start for span in spans)
    late = sum((version - span.version) * (span.end - span.start) for span in spans)
    return late / tokens if tokens else 0.0


def answers_of(rollout: Rollout) -> list[Answer]:
    """All answers of a rollout, budget by budget."""
    return [answer for answers_A in rollout.answers for answer in answers_A]


def judged(results: Sequence[RewardResult]) -> list[RewardResult]:
    """Those that have a verdict: a timeout or an error says nothing about the answer."""
    return [result for result in results if result.status.judged]


def accuracy(results: Sequence[RewardResult]) -> float:
    """Share of right answers among those that have a verdict."""
    return mean([result.status is Status.OK for result in judged(results)])


def at_largest(scored: Sequence[ScoredGroup]) -> list[RewardResult]:
    """The verdicts on the answers at each group's largest budget."""
    return [result for group in scored for by_budget in group.results for result in by_budget[-1]]


def reward_metrics(scored: Sequence[ScoredGroup]) -> dict[str, float]:
    """Rewards and verdicts: accuracy counts the answers at each group's largest budget."""
    everything = [result for group in scored for by_budget in group.results for at in by_budget for result in at]
    return {
        "reward/mean": mean([result.value for result in judged(everything)]),
        "reward/excluded": mean([not result.status.judged for result in everything]),
        "reward/unparsable": mean([result.status is Status.UNPARSABLE for result in everything]),
        "accuracy/mean": accuracy(at_largest(scored)),
        **budget_accuracy(scored),
        **term_means(judged(everything)),
    }


def term_means(results: Sequence[RewardResult]) -> dict[str, float]:
    """`reward/part_<label>`, the mean of each term before its weight over the verdicts that have it.

    A term's own parts are in the records alone.
    """
    of_term: defaultdict[str, list[float]] = defaultdict(list)
    for result in results:
        for name, value in result.parts.items():
            if "/" not in name:
                of_term[name].append(value)
    return {f"reward/part_{label(name)}": mean(values) for name, values in sorted(of_term.items())}


def budget_accuracy(scored: Sequence[ScoredGroup]) -> dict[str, float]:
    """`accuracy/budget_<b>` for groups that were answered at several budgets; empty when there are none."""
    at_budget: defaultdict[int, list[RewardResult]] = defaultdict(list)
    for group in scored:
        budgets_S = group.group.prior.tokens
        if len(budgets_S) > 1:
            for by_budget in group.results:
                for budget, results_A in zip(budgets_S, by_budget, strict=True):
                    at_budget[budget] += results_A
    return {f"accuracy/budget_{budget}": accuracy(results) for budget, results in sorted(at_budget.items())}


def held_out_metrics(scored: Sequence[ScoredGroup]) -> dict[str, float]:
    """Accuracy at the largest budget; of several also `heldout/budget_<b>` and `heldout/anytime`, the mean of them."""
    found = {"heldout/accuracy": accuracy(at_largest(scored))}
    by_budget = {name.replace("accuracy/", "heldout/"): value for name, value in budget_accuracy(scored).items()}
    return found | by_budget | ({"heldout/anytime": mean(list(by_budget.values()))} if by_budget else {})


def label(source: str) -> str:
    """The name of a source or term in metrics: what is neither letter, digit, `.`, `-` nor `_` becomes `_`."""
    return re.sub(r"[^\w.-]+", "_", source)


def source_metrics(scored: Sequence[ScoredGroup], sources: Sequence[str]) -> dict[str, float]:
    """`data/share_<name>` of the batch's problems for each of several sources; empty where a run has only one.

    `accuracy/source_<name>` is there for the sources that the batch has. For the names see `label`.
    """
    if len(sources) < 2:
        return {}
    at_source: dict[str, list[ScoredGroup]] = {label(name): [] for name in sources}
    for group in scored:
        at_source[label(group.group.task.source)].append(group)
    shares = {f"data/share_{name}": len(groups) / len(scored) for name, groups in at_source.items()}
    right = {f"accuracy/source_{name}": accuracy(at_largest(groups)) for name, groups in at_source.items() if groups}
    return shares | right


def token_metrics(scored: Sequence[ScoredGroup], version: WeightVersion) -> dict[str, float]:
    """What was sampled, how long it was and what ended it. Forced tokens are counted apart."""
    rollouts = [rollout for group in scored for rollout in group.group.rollouts]
    answers = [answer for rollout in rollouts for answer in answers_of(rollout)]
    thinking = [len(rollout.token_ids) for rollout in rollouts]
    answering = [len(answer.token_ids) for answer in answers]
    return {
        "tokens/thinking_mean": mean(thinking),
        "tokens/answer_mean": mean(answering),
        "tokens/sampled": sampled([group.group for group in scored]),
        "tokens/forced": sum(len(answer.forced_ids) for answer in answers),
        "budget/largest": max((group.group.prior.largest for group in scored), default=0),
        "budget/asked_mean": mean([group.group.prior.asked for group in scored]),
        "budget/version": max((group.group.prior.version for group in scored), default=0),
        "budget/hit_rate": mean([rollout.finish is Finish.BUDGET for rollout in rollouts]),
        "answer/length_rate": mean([answer.finish is Finish.LENGTH for answer in answers]),
        "policy/lag": token_lag(rollouts, version),
    }


def shaped_metrics(credits: Sequence[Credit]) -> dict[str, float]:
    """`reward/shaped`: the mean of what was compared where an algorithm adds a term of its own; else empty."""
    shaped_K = [float(value) for credit in credits if credit.shaped is not None for value in credit.shaped]
    judged_K = [value for value in shaped_K if not isnan(value)]
    return {"reward/shaped": mean(judged_K)} if shaped_K else {}


def summarize(
    step: int,
    scored: Sequence[ScoredGroup],
    stats: Mapping[str, float],
    times: Mapping[str, float],
    *,
    sampled_total: int,
    informative: float,
    version: WeightVersion,
) -> dict[str, float]:
    """The row of metrics.jsonl for one step.

    `stats` is what the learner and the publish returned, `times` seconds under `time/...` with
    `time/step` among them (positive); both pass through. `sampled_total` is the count of sampled
    tokens up to this step, `informative` the share of groups with a training signal, `version`
    the weights that trained on the groups. `throughput/samples_per_s` counts answers.
    """
    tokens = token_metrics(scored, version)
    samples = sum(len(results_A) for group in scored for by_budget in group.results for results_A in by_budget)
    return {
        "step": step,
        **stats,
        **times,
        **reward_metrics(scored),
        **tokens,
        "tokens/sampled_total": sampled_total,
        "group/informative": informative,
        "throughput/sampled_tokens_per_s": tokens["tokens/sampled"] / times["time/step"],
        "throughput/samples_per_s": samples / times["time/step"],
    }
