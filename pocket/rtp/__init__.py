"""The media side of one telephone call: RTP, its codecs, its digits, its encryption and the SDP that agrees on them.

Knows neither SIP nor LiveKit: whoever carries the SDP and the audio on stands above it.
"""
