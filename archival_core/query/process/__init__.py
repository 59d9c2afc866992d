"""Questions in processes of their own, which may fall over or be ended without harm to anything else."""
