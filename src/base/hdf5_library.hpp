// The HDF5 library, loaded by the first call into it: most runs never make one, and it brings two
// dozen other libraries into memory. In namespace crema its functions and constants are found here
// instead of in the global namespace.
#pragma once

#include <hdf5.h>

#include <atomic>
#include <utility>

namespace crema {

// The address of a symbol of the library. Error{kData} if there is no library.
void* hdf5_symbol(const char* name);

template <class Fn>
class Hdf5Function {
 public:
  constexpr explicit Hdf5Function(const char* name) : name_(name) {}
  operator Fn*() const {  // as a pointer: H5Fclose to who closes
    Fn* fn = fn_.load(std::memory_order_acquire);
    if (fn == nullptr) {
      fn = reinterpret_cast<Fn*>(hdf5_symbol(name_));
      fn_.store(fn, std::memory_order_release);
    }
    return fn;
  }
  template <class... Arguments>
  auto operator()(Arguments&&... arguments) const {
    return static_cast<Fn*>(*this)(std::forward<Arguments>(arguments)...);
  }

 private:
  const char* name_;
  mutable std::atomic<Fn*> fn_{nullptr};
};

// A number that the library sets when it is opened, as its macros do before they name it.
class Hdf5Id {
 public:
  constexpr explicit Hdf5Id(const char* name) : name_(name) {}
  operator hid_t() const { return *static_cast<const hid_t*>(hdf5_symbol(name_)); }

 private:
  const char* name_;
};

#define CREMA_HDF5_FUNCTION(name) inline const Hdf5Function<decltype(::name)> name(#name);
#define CREMA_HDF5_ID(name) inline const Hdf5Id name(#name);

CREMA_HDF5_FUNCTION(H5check_version)
CREMA_HDF5_FUNCTION(H5open)
CREMA_HDF5_FUNCTION(H5Dclose)
CREMA_HDF5_FUNCTION(H5Dcreate2)
CREMA_HDF5_FUNCTION(H5Dget_create_plist)
CREMA_HDF5_FUNCTION(H5Dget_space)
CREMA_HDF5_FUNCTION(H5Dget_type)
CREMA_HDF5_FUNCTION(H5Dopen2)
CREMA_HDF5_FUNCTION(H5Dread)
CREMA_HDF5_FUNCTION(H5Dset_extent)
CREMA_HDF5_FUNCTION(H5Dwrite)
CREMA_HDF5_FUNCTION(H5Eget_auto2)
CREMA_HDF5_FUNCTION(H5Eset_auto2)
CREMA_HDF5_FUNCTION(H5Fclose)
CREMA_HDF5_FUNCTION(H5Fcreate)
CREMA_HDF5_FUNCTION(H5Fflush)
CREMA_HDF5_FUNCTION(H5Fget_file_image)
CREMA_HDF5_FUNCTION(H5Fget_vfd_handle)
CREMA_HDF5_FUNCTION(H5Fopen)
CREMA_HDF5_FUNCTION(H5Gclose)
CREMA_HDF5_FUNCTION(H5Gcreate2)
CREMA_HDF5_FUNCTION(H5Gopen2)
CREMA_HDF5_FUNCTION(H5Iget_type)
CREMA_HDF5_FUNCTION(H5Lexists)
CREMA_HDF5_FUNCTION(H5Literate)
CREMA_HDF5_FUNCTION(H5Oclose)
CREMA_HDF5_FUNCTION(H5Oopen)
CREMA_HDF5_FUNCTION(H5Pclose)
CREMA_HDF5_FUNCTION(H5Pcreate)
CREMA_HDF5_FUNCTION(H5Pget_chunk)
CREMA_HDF5_FUNCTION(H5Pget_layout)
CREMA_HDF5_FUNCTION(H5Pset_chunk)
CREMA_HDF5_FUNCTION(H5Pset_fapl_core)
CREMA_HDF5_FUNCTION(H5Pset_obj_track_times)
CREMA_HDF5_FUNCTION(H5Sclose)
CREMA_HDF5_FUNCTION(H5Screate_simple)
CREMA_HDF5_FUNCTION(H5Sget_simple_extent_dims)
CREMA_HDF5_FUNCTION(H5Sget_simple_extent_ndims)
CREMA_HDF5_FUNCTION(H5Sselect_hyperslab)
CREMA_HDF5_FUNCTION(H5Tclose)
CREMA_HDF5_FUNCTION(H5Tcopy)
CREMA_HDF5_FUNCTION(H5Tget_class)
CREMA_HDF5_FUNCTION(H5Tget_size)
CREMA_HDF5_FUNCTION(H5Tis_variable_str)
CREMA_HDF5_FUNCTION(H5Tset_size)
CREMA_HDF5_ID(H5P_CLS_DATASET_CREATE_ID_g)
CREMA_HDF5_ID(H5P_CLS_FILE_ACCESS_ID_g)
CREMA_HDF5_ID(H5T_C_S1_g)
CREMA_HDF5_ID(H5T_IEEE_F32LE_g)
CREMA_HDF5_ID(H5T_NATIVE_FLOAT_g)
CREMA_HDF5_ID(H5T_NATIVE_INT64_g)
CREMA_HDF5_ID(H5T_NATIVE_INT_g)
CREMA_HDF5_ID(H5T_NATIVE_UCHAR_g)
CREMA_HDF5_ID(H5T_STD_I32LE_g)
CREMA_HDF5_ID(H5T_STD_U8LE_g)

#undef CREMA_HDF5_FUNCTION
#undef CREMA_HDF5_ID

}  // namespace crema
