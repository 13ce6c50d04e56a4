"""Training: the first floor, which may load torch, torchvision and kornia."""
