use tercet_tensor::Activation;

/// The activation that Hugging Face's `config.json` calls `name`; `None` for a name that is not known.
pub fn activation_named(name: &str) -> Option<Activation> {
    Some(match name {
        "gelu" | "gelu_python" => Activation::Gelu,
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_accurate" => Activation::GeluNew,
        "relu" => Activation::Relu,
        "silu" | "swish" => Activation::Silu,
        "tanh" => Activation::Tanh,
        "quick_gelu" => Activation::QuickGelu,
        "sigmoid" => Activation::Sigmoid,
        _ => return None,
    })
}
