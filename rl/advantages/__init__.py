"""Advantages: what a rollout, a stretch of it or an answer was worth against its siblings."""

from rl.advantages.budgets import answer_relative as answer_relative
from rl.advantages.budgets import budget_group_relative as budget_group_relative
from rl.advantages.budgets import budget_progress as budget_progress
from rl.advantages.budgets import budget_relative as budget_relative
from rl.advantages.budgets import budget_return as budget_return
from rl.advantages.budgets import mean_scores as mean_scores
from rl.advantages.outcome import group_relative as group_relative
from rl.advantages.outcome import group_standardized as group_standardized
from rl.advantages.outcome import leave_one_out as leave_one_out
from rl.advantages.outcome import rewards_of as rewards_of
from rl.advantages.population import group_population as group_population
