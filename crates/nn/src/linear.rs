use tercet_tensor::ops::{self, Layout};
use tercet_tensor::{Init, Param, Scope, Tensor};

/// Whether a layer adds a vector to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// It adds `bias`, which starts at 0.
    Yes,
    /// It adds nothing.
    No,
}

/// `x·W + b`: parameters `weight`, and `bias` unless left out.
#[derive(Clone)]
pub struct Linear {
    weight: Param,
    bias: Option<Param>,
    layout: Layout,
}

impl Linear {
    /// PyTorch's `nn.Linear`: the weight lies (out, in).
    pub fn new(scope: &Scope, inputs: usize, outputs: usize, init: Init, bias: Bias) -> Self {
        Self::laid_out(scope, [outputs, inputs], outputs, init, bias, Layout::OutIn)
    }

    /// GPT-2's `Conv1D`: the weight lies (in, out).
    pub fn conv1d(scope: &Scope, inputs: usize, outputs: usize, init: Init) -> Self {
        Self::laid_out(scope, [inputs, outputs], outputs, init, Bias::Yes, Layout::InOut)
    }

    fn laid_out(
        scope: &Scope,
        shape: [usize; 2],
        outputs: usize,
        init: Init,
        bias: Bias,
        layout: Layout,
    ) -> Self {
        let weight = scope.param("weight", &shape, init);
        let bias = (bias == Bias::Yes).then(|| scope.param("bias", &[outputs], Init::Zeros));
        Self { weight, bias, layout }
    }

    /// `x` (N, in) to (N, out).
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(|b| b.on(x.tape()));
        ops::linear(x, &self.weight.on(x.tape()), self.layout, bias.as_ref())
    }
}
