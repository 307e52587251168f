"""The small networks that exports are tried on, by family."""

FILES = {
    "stylegan1": "genforce_sg1_128_fused.pth",
    "stylegan2": "golden_sg2_cond_32.pkl",
    "stylegan2-resnet": "golden_sg2_resnet_32.pkl",
    "stylegan3-t": "golden_sg3t_64.pkl",
    "stylegan3-r": "golden_sg3r_64.pkl",
}
