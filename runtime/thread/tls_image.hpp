// Making a used thread block new: every module's thread-local variables get their initial values.
#pragma once

namespace hilo::kernel {

enum class libc_variables { keep, reset };

// In the thread that starts on a used block, before anything of it is read: copies each module's
// initial image over the thread's copy. Modules loaded or unloaded since the block was last used
// are told apart by the dynamic linker, which names only copies that belong to the module.
void reset_tls_images(libc_variables libc) noexcept;

}  // namespace hilo::kernel
