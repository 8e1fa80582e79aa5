"""The variational autoencoder that the flow is compared with."""

from .gaussian import gaussian_log_density, kl_to_standard_normal, reparameterize
from .networks import ConvDecoder, ConvEncoder, conv_vae
from .vae import VAE, Bound

__all__ = [
    "VAE",
    "Bound",
    "ConvDecoder",
    "ConvEncoder",
    "conv_vae",
    "gaussian_log_density",
    "kl_to_standard_normal",
    "reparameterize",
]
