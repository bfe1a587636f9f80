"""Meetings: scenarios, the people they are held with, and what a meeting allows."""
