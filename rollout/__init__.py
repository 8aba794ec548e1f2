"""Floor 1: what was sampled."""

from rollout.types import Answer, BudgetPrior, Finish, Group, Rollout, Task, VersionSpan, WeightVersion

__all__ = ["Answer", "BudgetPrior", "Finish", "Group", "Rollout", "Task", "VersionSpan", "WeightVersion"]
