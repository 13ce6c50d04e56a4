"""The script that one writes instead of using henshin: OpenCV, ONNX Runtime. bench/compare.py times it.

    python bench/plain_script.py MODEL.onnx YUNET.onnx SIZE IN OUT

Faces are found by YuNet in a copy whose longest side is 640, cut out of the photo on henshin's template, drawn, and
pasted through a soft ellipse inside their box. No EXIF, no profiles, no record, no second look at doubtful faces.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

TEMPLATE = np.array([(0.375, 0.414), (0.625, 0.414), (0.5, 0.557), (0.397, 0.703), (0.603, 0.703)])


def main() -> None:
    model, yunet, size, source, target = sys.argv[1:]
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    detector = cv2.FaceDetectorYN.create(yunet, "", (640, 640), 0.75)
    port, side = session.get_inputs()[0].name, int(size)
    row, column = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    mask = np.clip((1 - np.hypot(column / 0.36, row / 0.44)) * 3, 0, 1).astype(np.float32)
    faces = 0
    for path in sorted(Path(source).iterdir()):
        photo = cv2.imread(str(path))
        reduced = 640 / max(photo.shape[:2])
        small = cv2.resize(photo, None, fx=reduced, fy=reduced, interpolation=cv2.INTER_AREA)
        detector.setInputSize(small.shape[1::-1])
        found = detector.detect(small)[1]
        for face in [] if found is None else found:
            matrix, _ = cv2.estimateAffinePartial2D(face[4:14].reshape(5, 2) / reduced, TEMPLATE * side)
            crop = cv2.warpAffine(photo, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            drawn = session.run(None, {port: np.ascontiguousarray(crop[None, ..., ::-1])})[0][0, ..., ::-1]
            back = cv2.invertAffineTransform(matrix)
            corners = np.array([(0, 0), (side, 0), (0, side), (side, side)]) @ back[:, :2].T + back[:, 2]
            left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
            right, bottom = np.minimum(np.ceil(corners.max(axis=0)), photo.shape[1::-1]).astype(int)
            back[:, 2] -= left, top
            box = (int(right - left), int(bottom - top))
            share = cv2.warpAffine(mask, back, box)[..., None]
            part = photo[top:bottom, left:right]
            part[:] = part + (cv2.warpAffine(np.ascontiguousarray(drawn), back, box) - part.astype(np.float32)) * share
            faces += 1
        cv2.imwrite(str(Path(target) / path.name), photo, [cv2.IMWRITE_JPEG_QUALITY, 95])
    print(faces)


if __name__ == "__main__":
    main()
