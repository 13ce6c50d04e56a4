"""One run at work: reading ahead, the loop over frames, writing behind, recording."""
