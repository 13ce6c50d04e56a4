"""The nets of face detection: R- and O-Net of MTCNN, rewritten by `convert`, and the net that proposes what they see.

`proposals.onnx` was trained by bench/detection/proposals.py. bench/README.md says how and on what.
"""
