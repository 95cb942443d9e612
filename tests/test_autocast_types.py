"""The type that every operation has within autocast: PyTorch's, for CUDA.

There is no GPU here.  PyTorch's own tables answer all the same, on its fake tensors of a CUDA device, which have types
and shapes and no values; where a function needs the device itself, PyTorch's answer on the CPU counts.
"""

import contextlib
import logging
import re
import warnings
from pathlib import Path

import pytest
from oracle import oracle

import tinydl
import tinydl.linalg
import tinydl.special
from tinydl.autograd.autocast import POLICIES
from tinydl.autograd.graph import OPS
from tinydl.nn import functional

torch = oracle()

# What t (the library) and F (its functions of networks) make of x, v (float32), h, u (float16), images im and imf,
# volumes vol, and classes y.
CASES = """
t.mm(x, x) | t.matmul(x, h) | x @ h | t.bmm(x[None], h[None]) | t.mv(x, u) | t.addmm(h, x, x) | t.addmv(v, x, u)
t.addr(x, v, u) | t.addbmm(x, x[None], h[None]) | t.baddbmm(x[None], h[None], x[None]) | t.einsum('ij,jk->ik', x, h)
t.chain_matmul(x, h, x) | t.linalg.multi_dot([x, h, x]) | t.linalg.vecdot(x, h) | F.linear(x, h) | F.linear(h, x, v)
F.conv1d(imf[0], imf[:, 0:1, :, :3].reshape(2, 8, 3)) | F.conv2d(im, imf[:, :, :3, :3]) | F.conv3d(vol, vol.float())
F.conv_transpose1d(imf[0], im[0, 0].reshape(8, 2, 4)) | F.conv_transpose2d(imf, im.reshape(3, 2, 8, 8))
F.conv_transpose3d(vol, vol.float().reshape(2, 1, 4, 4, 4)) | F.prelu(x, v[:1])
F.scaled_dot_product_attention(x[None], h[None], x[None]) | (x @ x).double() | x.double() @ x.double()
h.acos() | h.asin() | h.cosh() | h.erfinv() | h.exp() | h.expm1() | h.log() | h.log10() | h.log2() | h.log1p()
h.reciprocal() | h.rsqrt() | h.sinh() | h.tan() | h**2 | h**h | 2**h | F.softplus(h) | x.exp() | x.double().exp()
h.sum() | h.sum(1) | h.sum(dtype=t.float16) | y.sum() | y.sum(dtype=t.int32) | x.double().sum() | h.prod() | h.prod(0)
h.cumsum(0) | h.cumsum(0, dtype=t.float16) | h.cumprod(0) | h.logsumexp(0) | h.softmax(1) | h.log_softmax(1)
F.softmax(h, 1, dtype=t.float16) | F.softmax(h, 1, dtype=t.float64) | F.softmin(h, 1) | h.norm() | h.norm(1)
h.norm(2, 0) | t.linalg.vector_norm(h) | t.linalg.matrix_norm(h) | t.linalg.norm(h) | F.layer_norm(h, (4,))
F.layer_norm(h, (4,), v, v) | F.group_norm(im, 1) | F.rms_norm(h, (4,)) | F.batch_norm(im, c, c, c, c, True)
F.batch_norm(im, c, c, c, c) | F.batch_norm(imf, c, c, c, c) | F.instance_norm(im)
F.instance_norm(im, None, None, c, c) | F.normalize(h) | F.local_response_norm(im, 2)
t.cdist(h, h) | t.dist(h, h) | F.pairwise_distance(h, h) | F.pdist(h) | t.deg2rad(h)
F.cosine_similarity(h, h) | F.cosine_embedding_loss(h, h, v) | F.mse_loss(h, h) | F.mse_loss(h, h, reduction='none')
F.mse_loss(h, x) | F.l1_loss(h, h) | F.smooth_l1_loss(h, h) | F.huber_loss(h, h) | F.kl_div(h, h)
F.binary_cross_entropy_with_logits(h, h) | F.poisson_nll_loss(h, h) | F.hinge_embedding_loss(h, h)
F.margin_ranking_loss(h, h, h) | F.soft_margin_loss(h, h) | F.triplet_margin_loss(h, h, h) | F.cross_entropy(h, y)
F.cross_entropy(h, h) | F.cross_entropy(h, y, v) | F.nll_loss(h, y) | F.multi_margin_loss(h, y)
F.multilabel_margin_loss(h, y.expand(4, 4)) | F.multilabel_soft_margin_loss(h, h) | F.interpolate(im, scale_factor=2.0)
F.interpolate(im, scale_factor=2.0, mode='bilinear') | F.grid_sample(im, imf[:, 0, :, :2].reshape(2, 8, 1, 2))
t.addcmul(h, x, h) | t.addcmul(h, h, h) | t.addcdiv(h, x, h) | t.atan2(h, x) | t.dot(v, v) | t.dot(u, u)
t.tensordot(x, h, 1) | t.tensordot(h, h, 1) | t.outer(v, u) | t.cat([x, h]) | t.stack([h, x]) | h.index_put((y,), x)
h + x | h * h | F.relu(h) | F.gelu(h) | F.silu(h) | F.mish(h) | F.elu(h) | F.selu(h) | F.celu(h) | F.logsigmoid(h)
h.sigmoid() | h.tanh() | F.glu(h) | F.hardsigmoid(h) | F.hardswish(h) | F.softsign(h) | F.tanhshrink(h) | h.mean()
h.mean(1) | h.var() | h.std(0) | t.var_mean(h)[0] | h.sqrt() | h.sin() | h.abs() | h.max() | h.amax(0) | h.sort()[0]
h.topk(2)[0] | F.max_pool2d(im, 2) | F.avg_pool2d(im, 2) | F.adaptive_avg_pool2d(im, 2) | F.lp_pool2d(im, 2.0, 2)
F.dropout(h) | F.embedding(y, x) | F.embedding_bag(y[None], x) | F.pad(h, (1, 1)) | F.unfold(im, 2) | h.clamp(0, 1)
t.where(h > 0, h, x) | h.gather(0, y[None]) | t.kron(h, x) | t.inner(h, x) | t.logaddexp(h, h) | h.logcumsumexp(0)
t.xlogy(h, h) | h.sinc() | h.erf() | h.exp2() | h.lgamma() | t.lerp(h, h, 0.5) | h.float_power(2) | t.hypot(h, h)
h.logit() | h.cummax(0)[0] | t.count_nonzero(h) | h.clone().exp_() | x.clone().add_(h) | x.clone().addmm_(x, x)
F.pixel_shuffle(im.reshape(2, 12, 4, 4), 2) | x.quantile(0.5) | t.trapezoid(h)
"""
CASES = [case.strip() for case in CASES.replace("\n", "|").split("|") if case.strip()]

# Where PyTorch refuses on every device that there is here; it documents these types of CUDA's.
DOCUMENTED = {
    "F.bilinear(h, x, x[None])": "float32",
    "F.bilinear(h, h, h[None])": "float16",
    "t.linalg.cross(imf[0, :, :, 0], im[0, :, :, 0], dim=0)": "float32",
    "x.scatter_add(0, y[None], h[:1])": "float32",
    "t.vdot(v, u)": "float32",
    "F.grid_sample(im, im[:, 0, :, :2].reshape(2, 8, 1, 2))": "float16",
    # of PyTorch's list for the CPU: no narrow type serves them
    "h.trace()": "float32",
    "h.quantile(0.5)": "float32",
    "t.linalg.inv(h + 9 * e)": "float32",
    "t.linalg.cholesky(t.eye(4).to(h))": "float32",
    "t.linalg.solve(h + 9 * e, x)": "float32",
    "t.linalg.svd(h)[1]": "float32",
    "t.linalg.matrix_norm(h, 'nuc')": "float32",
    "F.binary_cross_entropy(h, h)": "float32",
    "F.ctc_loss(h.reshape(4, 1, 4), t.tensor([[1]]), t.tensor([4]), t.tensor([1]))": "float32",
}


def type_of(expression, t, F, make, within, y):
    """The dtype's name of the expression's result within autocast."""
    x, imf, vol = make(4, 4), make(2, 3, 8, 8), make(1, 2, 4, 4, 4).to(t.float16)
    names = dict(t=t, F=F, x=x, h=x.to(t.float16), v=make(4), u=make(4).to(t.float16), c=make(3), y=y, vol=vol)
    with within:
        result = eval(expression, names | dict(imf=imf, im=imf.to(t.float16), e=x * 0))
    return str(result.dtype).removeprefix("torch.")


def ours(expression):
    def make(*shape):
        return tinydl.rand(*shape) * 0.5 + 0.1

    return type_of(expression, tinydl, functional, make, tinydl.autocast("cpu", "float16"), tinydl.tensor([0, 1, 2, 3]))


@contextlib.contextmanager
def of_a_gpu():
    """PyTorch's autocast for CUDA, which does not ask whether there is one."""
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.float16)
    try:
        yield
    finally:
        torch.set_autocast_enabled("cuda", False)
        torch.clear_autocast_cache()


def pytorchs(expression):
    from torch._subclasses.fake_tensor import FakeTensorMode

    def make(*shape):
        return torch.rand(*shape) * 0.5 + 0.1

    logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with FakeTensorMode():
                y = torch.empty(4, dtype=torch.long, device="cuda")
                return type_of(
                    expression, torch, torch.nn.functional, lambda *s: torch.empty(*s, device="cuda"), of_a_gpu(), y
                )
        except RuntimeError as error:
            if "not linked with support for cuda" not in str(error):
                raise
        within = torch.autocast("cpu", dtype=torch.float16)
        return type_of(expression, torch, torch.nn.functional, make, within, torch.tensor([0, 1, 2, 3]))


@pytest.mark.parametrize("expression", CASES)
def test_types_are_pytorchs(expression):
    assert ours(expression) == pytorchs(expression)


@pytest.mark.parametrize("expression", DOCUMENTED)
def test_types_are_those_that_pytorch_documents(expression):
    assert ours(expression) == DOCUMENTED[expression]


def test_the_table_names_what_exists():
    root = Path(tinydl.__file__).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for path in root.rglob("*.py"))
    marked = set(re.findall(r"^@listed\n(?:@\w+\n)*def (\w+)\(", sources, re.MULTILINE))
    assert set(POLICIES) == marked | set(OPS) & set(POLICIES)
    assert len(marked) > 50


def test_nothing_of_pytorchs_lists_for_cuda_is_missing():
    header = Path(torch.__file__).parent / "include/ATen/autocast_mode.h"
    text = header.read_text(encoding="utf-8")
    macros = "LOWER_PRECISION_FP|FP32|FP32_SET_OPT_DTYPE|PROMOTE"
    lists = re.findall(rf"#define AT_FORALL_(?:{macros})\(_\)((?:.*\\\n)*.*)", text)
    listed = {name for part in lists for name in re.findall(r"_\((\w+)", part)}
    assert len(listed) > 90
    ours = {"sum": "sum_to", "grid_sampler": "grid_sample", "linalg_multi_dot": "multi_dot", "linalg_vecdot": "vecdot"}
    ours |= {"linalg_vector_norm": "vector_norm", "linalg_matrix_norm": "matrix_norm"}
    native = {"atan2"}  # promotes everywhere
    modules = (tinydl, functional, tinydl.linalg)
    there = {n for n in listed if n in ours or any(hasattr(m, n) for m in modules)} - native
    assert len(there) > 70
    assert not {n for n in there if ours.get(n, n) not in POLICIES}
