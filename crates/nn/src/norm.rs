use tercet_tensor::{Init, Param, Scope, Tensor, ops};

/// Layer normalisation (Ba et al. 2016): parameters `weight` and `bias`.
#[derive(Clone)]
pub struct LayerNorm {
    weight: Param,
    bias: Param,
    eps: f32,
}

impl LayerNorm {
    /// A norm over the last `width` elements; starts as weight 1, bias 0.
    pub fn new(scope: &Scope, width: usize, eps: f32) -> Self {
        let weight = scope.param("weight", &[width], Init::Ones);
        Self { weight, bias: scope.param("bias", &[width], Init::Zeros), eps }
    }

    /// `x` (N, C), each row with mean 0 and variance 1 before weight and bias.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        ops::layer_norm(x, &self.weight.on(x.tape()), &self.bias.on(x.tape()), self.eps)
    }
}

/// Root-mean-square normalisation (Zhang and Sennrich 2019): parameter `weight`, no mean and no bias.
#[derive(Clone)]
pub struct RmsNorm {
    weight: Param,
    eps: f32,
}

impl RmsNorm {
    /// A norm over the last `width` elements; starts as weight 1.
    pub fn new(scope: &Scope, width: usize, eps: f32) -> Self {
        Self { weight: scope.param("weight", &[width], Init::Ones), eps }
    }

    /// `x` (N, C), each row with mean square 1 before the weight.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        ops::rms_norm(x, &self.weight.on(x.tape()), self.eps)
    }
}
