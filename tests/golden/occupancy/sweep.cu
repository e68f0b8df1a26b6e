// Launches of many shapes, so that ncu tells its occupancy limits for each: see README.md.
#include <cstdio>

template <int R>
__global__ void k(float* p) {
  extern __shared__ float s[];
  float a[R];
  int t = threadIdx.x;
#pragma unroll
  for (int i = 0; i < R; i++) a[i] = p[i * 33 + t];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < R; i++) p[i * 7 + t] = a[i] * a[R - 1 - i] + a[(i * 3 + 1) % R];
  if (p[0] == 1e30f) p[0] = s[t];
}

template <int R>
void plain(float* p) {
  cudaFuncAttributes f;
  cudaFuncGetAttributes(&f, k<R>);
  int registers = (f.numRegs + 7) / 8 * 8;
  int sizes[] = {0,    16,   128,   512,   1024,  2048,  3072,  4096,
                 6144, 8192, 12288, 16384, 24576, 32768, 40960, 49152};
  for (int w = 1; w <= 32; w *= 2)
    for (int d : sizes)
      if (registers * 32 * w <= 65536) k<R><<<1320, 32 * w, d>>>(p);
}

template <int R>
void cluster(float* p, int c, int w, int d) {
  cudaFuncSetAttribute(k<R>, cudaFuncAttributeMaxDynamicSharedMemorySize, 200 * 1024);
  cudaFuncSetAttribute(k<R>, cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
  cudaLaunchConfig_t g = {};
  g.gridDim = c * 60;
  g.blockDim = 32 * w;
  g.dynamicSmemBytes = d;
  cudaLaunchAttribute a[1];
  a[0].id = cudaLaunchAttributeClusterDimension;
  a[0].val.clusterDim.x = c;
  a[0].val.clusterDim.y = a[0].val.clusterDim.z = 1;
  g.attrs = a;
  g.numAttrs = 1;
  cudaLaunchKernelEx(&g, k<R>, p);
}

int main() {
  float* p;
  cudaMalloc(&p, 1 << 24);
  plain<1>(p);
  plain<12>(p);
  plain<24>(p);
  plain<40>(p);
  plain<56>(p);
  plain<88>(p);
  plain<150>(p);
  for (int c = 1; c <= 16; c *= 2)
    for (int w : {4, 16})
      for (int d : {0, 65536, 200 * 1024}) {
        cluster<2>(p, c, w, d);
        cluster<41>(p, c, w, d);
      }
  printf("%d\n", cudaDeviceSynchronize());
}
