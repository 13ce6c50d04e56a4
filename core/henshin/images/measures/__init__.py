"""Measures of pictures: PSNR and SSIM, perceptual hashes, Fourier spectra."""
