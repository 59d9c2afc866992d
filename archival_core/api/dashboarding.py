"""The page that an operator keeps open, and its data."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["dashboarding"])
