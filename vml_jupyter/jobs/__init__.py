"""Long work with stages, progress, a result or an error, and cancel: the only room with threads.

submit(kind, title, work) -> Job(queued) -> running -> done | failed | cancelled
                                              `-> listeners hear it, the journal keeps it
"""

from vml_jupyter.jobs.background import Task, Ticker
from vml_jupyter.jobs.desk import JobDesk
from vml_jupyter.jobs.estimates import Estimates
from vml_jupyter.jobs.job import ACTIVE, Failure, Job, Stage
from vml_jupyter.jobs.journal import Journal

__all__ = ["ACTIVE", "Estimates", "Failure", "Job", "JobDesk", "Journal", "Stage", "Task", "Ticker"]
