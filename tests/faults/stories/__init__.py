"""What the service is asked to do, so that faults can be done to it."""

from tests.faults.stories.archive import ArchiveStory
from tests.faults.stories.backlog import BacklogStory
from tests.faults.stories.removal import RemovalStory
from tests.faults.stories.restore import RestoreStory
from tests.faults.stories.story import Story

#: every story, by its name
STORIES: dict[str, Story] = {story.name: story for story in (ArchiveStory(), RemovalStory(), RestoreStory(), BacklogStory())}

__all__ = ["STORIES", "Story"]
