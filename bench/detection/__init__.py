"""What bench/detect.py is made of: sources with known faces, photos that they are pasted into, and the figures."""
