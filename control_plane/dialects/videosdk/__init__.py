"""Rooms by the VideoSDK's v2 REST reference: rooms, sessions, recordings and streams at `/v2`."""
